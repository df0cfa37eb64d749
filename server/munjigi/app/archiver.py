"""The job that copies packed segments of the journals to the archive (`audit/archive.py`), each once, verified on the way."""

from __future__ import annotations

import asyncio
import secrets
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.audit import mark, segment
from munjigi.audit.archive import Archive, require_whole, whole
from munjigi.audit.reader import list_logs
from munjigi.kernel.errors import MunjigiError, Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_LOOK_SECONDS: Final = 10.0  # between looks whether the archive is there, while there is nothing to copy


def archive_of(settings: Settings) -> Archive | None:
    """Return the archive that the settings name."""
    return Archive(settings.archive_dir, StateFolder(settings.state_dir).archive_id) if settings.archive_dir is not None else None


class Archiver:
    """Copy what is closed and packed. The archive itself says what it has."""

    name = "archive"

    def __init__(self, journal: Path, archive: Archive, meter: Meter) -> None:
        self._journal = journal
        self._archive = archive
        self._meter = meter
        self._done: dict[str, set[str]] = {}  # by log: the segments that are there
        self._epochs: dict[str, tuple[int, int]] = {}  # by log: its mark when nothing was left
        self._looked: float | None = None

    async def step(self) -> bool:
        """Copy one segment of each log."""
        try:
            copied, waiting = await asyncio.to_thread(self._copy)
        except OSError as error:
            raise Unavailable(
                "ARCHIVE_UNWRITABLE", f"A segment can't be copied to the archive ({error.strerror}); look at its disk and mount."
            ) from error
        self._meter.set(catalogue.ARCHIVE_WAITING, value=waiting)
        if copied:
            self._meter.add(catalogue.ARCHIVED, amount=copied)
        return bool(copied)

    def close(self) -> None:
        """Do nothing: nothing stays open between steps."""

    def _copy(self) -> tuple[int, int]:
        """Return how many segments were copied, and how many wait."""
        self._look()
        copied = waiting = 0
        failure: MunjigiError | None = None
        for log_id in list_logs(self._journal):
            folder = self._journal / log_id
            epoch = mark.epoch(folder)
            if self._epochs.get(log_id) == epoch:
                continue
            try:
                here, left = self._copy_of(folder)
            except MunjigiError as error:  # a log that can't be archived doesn't hold up the others
                failure = failure or error
                continue
            copied, waiting = copied + here, waiting + left
            if not left:
                self._epochs[log_id] = epoch
        if failure is not None:
            raise failure
        return copied, waiting

    def _look(self) -> None:
        """Make sure that the archive is there."""
        now = time.monotonic()
        if self._looked is None:
            self._archive.begin(secrets.token_bytes(16))
            for log_id in list_logs(self._journal):
                self._archive.tidy(log_id)
        elif now - self._looked > _LOOK_SECONDS:
            self._archive.require()
        else:
            return
        self._looked = now

    def _copy_of(self, folder: Path) -> tuple[int, int]:
        known = mark.read(folder)
        if known is None:
            return 0, 0
        done = self._done.setdefault(folder.name, set())
        closed = [each for each in segment.names(folder) if segment.name_of(known.first) <= each < known.segment]
        copied = waiting = 0
        for name, following in pairwise([*closed, known.segment]):
            if name in done:
                continue
            if copied or not whole(folder, name):
                waiting += 1
                continue
            if not self._archive.lists(folder, name):
                require_whole(folder, name, following)
            copied += self._archive.put(folder, name)
            done.add(name)
        return copied, waiting
