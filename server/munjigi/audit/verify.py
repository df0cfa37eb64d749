"""Verify a log on its files alone: every byte is accounted for, or the first that isn't is named.

Repairs nothing. A torn tail is a problem too: only the next start decides what becomes of it.
"""

from __future__ import annotations

import hashlib
import mmap
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from munjigi.audit import frames, mark, packed, segment
from munjigi.audit.records import decode
from munjigi.kernel.errors import NotFound, Unavailable


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for one log. `problem` is the first finding in UPPER_SNAKE, empty when intact.

    `records` were read and `chain` (hex) covers them; `file`, `offset` (bytes) and `index` say where the finding is.
    """

    log_id: str
    intact: bool
    records: int
    chain: str
    file: str
    offset: int
    index: int
    problem: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed of a log: the hashes of its first `size` leaves, 32 bytes each."""

    size: int
    leaves: bytes | mmap.mmap


class _Finding(Exception):
    def __init__(self, problem: str, file: str, offset: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.file = file
        self.offset = offset


def verify_journal(folder: Path, live_until: int | None = None, sealed: Sealed | None = None) -> Verification:
    """Verify the log in `folder`.

    `live_until`: only the records below this durable index of a log that is being written. `sealed`: records must be
    those that were sealed, and no fewer.
    Raises `NotFound` when there is no such log, `Unavailable` when its files can't be read.
    """
    walk = _Walk(folder, live_until, sealed or Sealed(0, b""))
    try:
        walk.run()
    except _Finding as found:
        return Verification(folder.name, False, walk.index, walk.chain.hex(), found.file, found.offset, walk.index, found.problem)
    except FileNotFoundError as error:
        raise NotFound(
            "LOG_NOT_FOUND", "There is no journal of this log id; list the folders under the journal folder."
        ) from error
    except OSError as error:
        raise Unavailable("JOURNAL_UNREADABLE", f"{folder} can't be read; run as the user who runs munjigi.") from error
    return Verification(folder.name, True, walk.index, walk.chain.hex(), "", 0, 0, "")


class _Walk:
    """One pass over the files, oldest first."""

    def __init__(self, folder: Path, live_until: int | None, sealed: Sealed) -> None:
        self.folder = folder
        self.sealed = sealed
        self.until = live_until
        self.index = 0
        self.chain = segment.GENESIS
        self.time = 0
        self.slot = -1
        self.known: mark.Mark | None = None
        self.marked = False

    def run(self) -> None:
        names = segment.names(self.folder)
        if self.until is None:
            self._strays(names)
        self.known = known = mark.read(self.folder)
        if known is None or known.log_id != self.folder.name:
            raise _Finding("MARK_DAMAGED", mark.NAME, 0)
        if not names:
            raise _Finding("SEGMENT_MISSING", known.segment, 0)
        before = 0
        for number, name in enumerate(names):
            last = number == len(names) - 1
            try:
                before = self._segment(name, before, last=last)
            except packed.Damaged as damage:
                raise _Finding("PACKED_DAMAGED", name + packed.SUFFIX, damage.offset) from None
            if self.until is not None and self.index >= self.until:
                return
            if last and known.clean and (known.segment != name or known.size != before):
                raise _Finding("BYTES_AFTER_CLEAN_STOP", name, known.size if known.segment == name else 0)
        if not self.marked:
            raise _Finding("SHORTER_THAN_MARK", known.segment, known.size)
        if self.until is not None:
            raise _Finding("SHORTER_THAN_DURABLE", names[-1], before)
        if self.index < self.sealed.size:
            raise _Finding("SHORTER_THAN_SEALED", names[-1], before)

    def _strays(self, names: list[str]) -> None:
        for path in sorted(self.folder.iterdir()):
            if path.name != mark.NAME and path.name.removesuffix(packed.SUFFIX) not in names:
                raise _Finding("STRAY_FILE", path.name, 0)

    def _segment(self, name: str, before: int, *, last: bool) -> int:
        """Walk over one segment and return its size."""
        with closing(self._open(name)) as source:
            size = source.size
            header = segment.parse_header(source.read(segment.HEADER_SIZE, 0))
            if header is None:
                raise _Finding("HEADER_DAMAGED", name, 0)
            if self.slot < 0:
                self.slot = header.slot
            if header.log_id != self.folder.name or segment.name_of(header.first_index) != name or header.slot != self.slot:
                raise _Finding("HEADER_OF_ANOTHER_SEGMENT", name, 0)
            if header.first_index != self.index:
                raise _Finding("SEGMENT_MISSING", name, 0)
            if header.previous_size != before:
                raise _Finding("SEGMENT_SIZE", name, 0)
            if header.chain != self.chain:
                raise _Finding("CHAIN_BROKEN", name, 0)
            self._frames(source, name, size, last=last)
        return size

    def _open(self, name: str) -> packed.SegmentBytes:
        """Open a segment; one that is there in both forms, since packing was interrupted, must be the same in both."""
        copy = self.folder / (name + packed.SUFFIX)
        source = segment.open_bytes(self.folder, name)
        if isinstance(source, packed.PackedBytes) or not copy.exists():
            return source
        with ExitStack() as failing:
            failing.callback(source.close)
            with closing(packed.PackedBytes.open(copy)) as other:
                if not _same(source, other):
                    raise _Finding("COPIES_DIFFER", copy.name, 0)
            failing.pop_all()
        return source

    def _frames(self, source: packed.SegmentBytes, name: str, size: int, *, last: bool) -> None:
        known = self.known
        goal = known.size if known is not None and known.segment == name else -1
        sha256 = hashlib.sha256
        sealed, leaves = self.sealed.size, self.sealed.leaves
        offset = segment.HEADER_SIZE
        for base, part in segment.scan(source, offset, size):
            for at, kind, payload in part.frames:
                offset = base + at
                if self.index == self.until:
                    return
                if offset == goal:
                    self._compare(name, offset)
                if kind == frames.HEADER:
                    raise _Finding("FRAME_TYPE", name, offset)
                try:
                    record = decode(payload)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    raise _Finding("RECORD_UNREADABLE", name, offset) from None
                if record.index != self.index:
                    raise _Finding("INDEX_NOT_DENSE", name, offset)
                if record.time < self.time:
                    raise _Finding("TIME_DECREASED", name, offset)
                leaf = sha256(b"\x00" + payload).digest()
                at32 = self.index << 5
                if self.index < sealed and leaf != leaves[at32 : at32 + 32]:
                    raise _Finding("RECORD_NOT_AS_SEALED", name, offset)
                self.time = record.time
                self.chain = sha256(self.chain + leaf).digest()
                self.index += 1
            offset = base + part.end
            if part.ending and self.index != self.until:
                torn = last and part.ending == "INCOMPLETE" and offset >= goal
                raise _Finding("TORN_TAIL" if torn else "FRAME_DAMAGED", name, offset)
        if offset == goal:
            self._compare(name, offset)
        elif offset < goal and self.index != self.until:
            raise _Finding("SHORTER_THAN_MARK", name, offset)

    def _compare(self, name: str, offset: int) -> None:
        known = self.known
        if known is not None and (known.next_index != self.index or known.chain != self.chain.hex()):
            raise _Finding("MARK_DIFFERS", name, offset)
        self.marked = True


def _same(one: packed.SegmentBytes, other: packed.SegmentBytes) -> bool:
    at = 0
    while at < other.size:
        data = other.read(other.size - at, at)
        if one.read(len(data), at) != data:
            return False
        at += len(data)
    return one.size == at
