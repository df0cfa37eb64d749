"""The mark: where a log begins, and how far it was known to reach when it was last opened, rotated or closed.

It is a lower bound that a crash can't undercut: bytes below it that are missing or changed are
corruption, never a torn tail. A clean stop makes it exact. The file carries a digest of itself.
Replacing it is the one moment at which records that retention removes (`removal.py`) are gone for every reader.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from munjigi.audit import files

NAME: Final = "mark.json"
_MAX: Final = 64 * 1024  # bytes


class Cut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A torn tail that went to quarantine and whose record, `index`, may not be durable yet."""

    index: int
    file: str
    offset: int
    length: int
    digest: str


class Removing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The records before `next_index` are being removed; the record that says so is `after` or a later one, or not there."""

    next_index: int
    after: int


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`size` bytes of `segment` hold the log up to `next_index` (exclusive) with this chain (hex).

    The log begins with `first`; record `removal` says what became of those before it. `holds` are the ids of the legal
    holds that stand: removal needs the file of each.
    """

    format: int
    log_id: str
    slot: int
    clean: bool
    segment: str
    size: int
    next_index: int
    chain: str
    cuts: tuple[Cut, ...] = ()
    first: int = 0
    removal: int = -1
    removing: Removing | None = None
    holds: tuple[str, ...] = ()


_decoder: Final = msgspec.json.Decoder(Mark)


def pack(mark: Mark) -> bytes:
    """Return the file's bytes: one line of JSON, one line with its SHA-256 in hex."""
    line = msgspec.json.encode(mark) + b"\n"
    return line + hashlib.sha256(line).hexdigest().encode() + b"\n"


def parse(data: bytes) -> Mark | None:
    """Read the file's bytes; None unless every one of them is as it was written."""
    line, _, _ = data.partition(b"\n")
    try:
        mark = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return mark if pack(mark) == data else None


def read(folder: Path) -> Mark | None:
    """Read a log's mark; None when it is missing or damaged. Raises `OSError`."""
    try:
        with (folder / NAME).open("rb") as file:
            return parse(file.read(_MAX))
    except FileNotFoundError:
        return None


def write(folder: Path, mark: Mark) -> None:
    """Replace a log's mark, durably. Raises `OSError`."""
    files.write_file(folder / NAME, pack(mark))


def epoch(folder: Path) -> tuple[int, int]:
    """Return a value that changes when the mark is replaced; (0, 0) while there is none."""
    try:
        status = (folder / NAME).stat()
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns
