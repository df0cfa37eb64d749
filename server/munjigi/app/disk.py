"""Watermarks of the disk that holds the state folder, and the reserve that lets access be taken away when it is full.

The reserve is a file whose blocks are allocated. It goes when a start, or a change that takes access away, might not
find room; it is made again when the disk has room for it below the last watermark.
"""

from __future__ import annotations

import enum
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from munjigi.app.files import StateFolder

_LOW: Final = 8 << 20  # bytes; with less free, the next write may fail
_BACK: Final = 0.01  # of the disk: how far use must fall below a watermark to count as below it
_LOGGER: Final = logging.getLogger("munjigi.worker")


class Level(enum.IntEnum):
    """How full the disk is. From `FULL` on there is no new access."""

    ROOMY = 0
    WATCH = 1
    DEGRADED = 2
    FULL = 3


class Use(NamedTuple):
    """`used`: share of the disk, 0 to 1, as df(1) counts it. `free` and `whole` in bytes, for an ordinary user."""

    used: float
    free: int
    whole: int


def use_of(folder: Path) -> Use:
    """Ask the file system. Raises `OSError`."""
    found = os.statvfs(folder)
    whole = (found.f_blocks - found.f_bfree + found.f_bavail) * found.f_frsize
    free = found.f_bavail * found.f_frsize
    return Use(1 - free / whole if whole else 1.0, free, whole)


def judge(used: float, watermarks: tuple[float, float, float], before: Level) -> Level:
    """Return the level for this share in use; a level is left only when use is a hundredth below its watermark."""
    reached = sum(used >= mark for mark in watermarks)
    kept = sum(used > mark - _BACK for mark in watermarks)
    return Level(max(reached, min(kept, before)))


class Disk:
    """Looks at the disk and keeps the reserve. `look` may be called on another thread; one thread at a time."""

    def __init__(self, folder: StateFolder, watermarks: tuple[float, float, float], reserve: int) -> None:
        """Keep `reserve` bytes back; 0 for none."""
        self._folder = folder
        self._reserve = reserve
        self._watermarks = watermarks
        self.level = Level.ROOMY
        self.use = Use(0.0, 0, 0)

    def start(self) -> None:
        """Look for the first time, before anything is written: a start on a full disk needs the reserve. Raises `OSError`."""
        if use_of(self._folder.root).free < _LOW:
            self.release()
        self.look()

    def look(self) -> Level:
        """Measure, make the reserve if there is room, log a change of level. Raises `OSError`."""
        use = use_of(self._folder.root)
        there = self._folder.reserve.exists()
        # Room that the reserve had counts as used: what it was released for is all that may have it.
        self.use = use = use if there else use._replace(used=min(use.used + self._reserve / max(use.whole, 1), 1.0))
        level = judge(use.used, self._watermarks, self.level)
        if level < Level.FULL and not there and self._reserve:
            self._make()
        if level is not self.level:
            _LOGGER.log(
                logging.ERROR if level is Level.FULL else logging.WARNING if level > Level.ROOMY else logging.INFO,
                "the disk of the state folder",
                extra={"disk": level.name.lower(), "used_percent": round(100 * use.used, 1), "free_mebibytes": use.free >> 20},
            )
            self.level = level
        return level

    def release(self) -> None:
        """Give the reserve's room back when less is free than the next writes may need."""
        with suppress(OSError):
            if use_of(self._folder.root).free < _LOW:
                self._folder.reserve.unlink(missing_ok=True)
                _LOGGER.warning("the reserve was released", extra={"mebibytes": self._reserve >> 20})

    def _make(self) -> None:
        """Allocate the reserve; without room for it there is none yet."""
        scratch = self._folder.reserve.with_suffix(".tmp")
        try:
            fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                _allocate(fd, self._reserve)
            finally:
                os.close(fd)
            scratch.rename(self._folder.reserve)
        except OSError:
            scratch.unlink(missing_ok=True)


def _allocate(fd: int, size: int) -> None:
    """Have the file system set `size` bytes aside; written where there is no call for it. Raises `OSError`."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    piece = bytes(1 << 20)
    for _ in range(size // len(piece)):
        os.write(fd, piece)
