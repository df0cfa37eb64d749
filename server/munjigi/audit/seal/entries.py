"""The installation's own small log: which log had which root when, which key signs from when on, what a restore continued.

Entries have a fixed length, so that the n-th is found without an index; an entry's bytes are its leaf in the
installation's tree. Appended and synced before the checkpoint over them is signed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from munjigi.audit.files import FILE_MODE, sync_file, write_all

_ENTRY: Final = struct.Struct(">B20sQ32s")
SIZE: Final = _ENTRY.size  # bytes
_HEAD: Final = 0
_KEY: Final = 1
_CONTINUED: Final = 2
_NOBODY: Final = bytes(20)
_PIECE: Final = 4096  # entries


class Head(NamedTuple):
    """The first `size` records of a log had this root."""

    log_id: str
    size: int
    root: bytes


class NewKey(NamedTuple):
    """From `time` (UTC nanoseconds) on this Ed25519 key signs."""

    time: int
    public: bytes


class Continued(NamedTuple):
    """The generation before ended with a checkpoint of `size` entries whose text has this SHA-256. A first entry."""

    size: int
    digest: bytes


Entry = Head | NewKey | Continued


def pack(entry: Entry) -> bytes:
    """Return an entry's bytes."""
    if isinstance(entry, Head):
        return _ENTRY.pack(_HEAD, entry.log_id.encode("ascii"), entry.size, entry.root)
    if isinstance(entry, NewKey):
        return _ENTRY.pack(_KEY, _NOBODY, entry.time, entry.public)
    return _ENTRY.pack(_CONTINUED, _NOBODY, entry.size, entry.digest)


def parse(data: bytes) -> Entry | None:
    """Read an entry's bytes; None when they are none."""
    if len(data) != SIZE:
        return None
    kind, log_id, number, content = _ENTRY.unpack(data)
    if kind == _HEAD and log_id.isascii() and log_id.isalnum():
        return Head(log_id.decode("ascii"), number, content)
    if kind == _KEY and log_id == _NOBODY:
        return NewKey(number, content)
    return Continued(number, content) if kind == _CONTINUED and log_id == _NOBODY else None


class Entries:
    """The file. One thread at a time; only one process may append. Every method may raise `OSError`."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._fd = os.open(path, os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT, FILE_MODE)

    @property
    def size(self) -> int:
        """Whole entries."""
        return os.fstat(self._fd).st_size // SIZE

    def truncate(self, size: int) -> None:
        """Forget what no checkpoint covers."""
        os.ftruncate(self._fd, size * SIZE)

    def append(self, entries: Sequence[bytes]) -> None:
        """Add entries and return when they are durable."""
        os.lseek(self._fd, self.size * SIZE, os.SEEK_SET)
        write_all(self._fd, b"".join(entries))
        sync_file(self._fd)

    def read(self, begin: int, count: int = 1) -> list[bytes]:
        """Return the bytes of at most `count` entries from `begin` on."""
        data = os.pread(self._fd, count * SIZE, begin * SIZE)
        return [data[at : at + SIZE] for at in range(0, len(data) - SIZE + 1, SIZE)]

    def heads(self, size: int) -> dict[str, list[Head]]:
        """Return the heads of each log among the first `size` entries, oldest first."""
        found: dict[str, list[Head]] = {}
        for begin in range(0, size, _PIECE):
            for each in self.read(begin, min(_PIECE, size - begin)):
                entry = parse(each)
                if isinstance(entry, Head):
                    found.setdefault(entry.log_id, []).append(entry)
        return found

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
