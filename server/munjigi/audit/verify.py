"""Verify a log on its files alone: every byte is accounted for, or the first that isn't is named.

Repairs nothing. A torn tail is a problem too: only the next start decides what becomes of it. A log may begin later than with
record 0 only where its mark, a record of the removal and the hashes that the seal kept say so together.
"""

from __future__ import annotations

import hashlib
import mmap
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from munjigi.audit import frames, mark, packed, segment
from munjigi.audit.law import law
from munjigi.audit.records import RemovedRecord, decode
from munjigi.audit.seal.merkle import HASH, Growing
from munjigi.kernel.errors import NotFound, Unavailable

_TRIES: Final = 3  # walks over a log whose beginning is being removed
_PIECE: Final = 4096  # leaves


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for one log. `problem` is the first finding in UPPER_SNAKE, empty when intact.

    `records` were read, from record `first` on, and `chain` (hex) covers all up to there; `file`, `offset` (bytes) and `index`
    say where the finding is.
    """

    log_id: str
    intact: bool
    records: int
    chain: str
    file: str
    offset: int
    index: int
    problem: str
    first: int = 0


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed of a log: the hashes of its first `size` leaves, 32 bytes each."""

    size: int
    leaves: bytes | mmap.mmap


class _Finding(Exception):
    def __init__(self, problem: str, file: str, offset: int, index: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.file = file
        self.offset = offset
        self.index = index  # None: where the walk stands


def verify_journal(
    folder: Path, live_until: int | None = None, sealed: Sealed | None = None, archive: Path | None = None
) -> Verification:
    """Verify the log in `folder`.

    `live_until`: only the records below this durable index of a log that is being written. `sealed`: records must be
    those that were sealed, and no fewer. `archive`: the folder of this log in an archive; what it holds is verified with the rest.
    Raises `NotFound` when there is no such log, `Unavailable` when its files can't be read.
    """
    for left in range(_TRIES, 0, -1):
        before = mark.epoch(folder)
        walk = _Walk(folder, live_until, sealed or Sealed(0, b""), archive)
        try:
            walk.run()
        except (_Finding, FileNotFoundError) as error:
            if left > 1 and mark.epoch(folder) != before:
                continue  # its beginning may have been removed meanwhile
            if isinstance(error, _Finding):
                return walk.result(error)
            raise NotFound(
                "LOG_NOT_FOUND", "There is no journal of this log id; list the folders under the journal folder."
            ) from error
        except OSError as error:
            raise Unavailable("JOURNAL_UNREADABLE", f"{folder} can't be read; run as the user who runs munjigi.") from error
        break
    return walk.result(None)


class _Walk:
    """One pass over the files, oldest first."""

    def __init__(self, folder: Path, live_until: int | None, sealed: Sealed, archive: Path | None) -> None:
        self.folder = folder
        self.archive = archive
        self.sealed = sealed
        self.until = live_until
        self.first = 0
        self.index = 0
        self.chain = segment.GENESIS
        self.time = 0
        self.slot = -1
        self.known: mark.Mark | None = None
        self.marked = False
        self.removals: dict[int, RemovedRecord] = {}  # by `next_index`

    def result(self, found: _Finding | None) -> Verification:
        """Return what the walk came to."""
        records, chain = self.index - self.first, self.chain.hex()
        if found is None:
            return Verification(self.folder.name, True, records, chain, "", 0, 0, "", self.first)
        index = self.index if found.index is None else found.index
        return Verification(self.folder.name, False, records, chain, found.file, found.offset, index, found.problem, self.first)

    def run(self) -> None:
        self.known = known = mark.read(self.folder)
        names = segment.names(self.folder)
        if self.until is None:
            self._strays(names)
        if known is None or known.log_id != self.folder.name:
            raise _Finding("MARK_DAMAGED", mark.NAME, 0)
        if self.until is not None:
            self.until = max(self.until, known.removal + 1)  # it was durable before the mark named it
        names = [name for name in names if segment.first_index_of(name) >= known.first]  # others are on their way out
        if not names or segment.first_index_of(names[0]) != known.first:
            raise _Finding("SEGMENT_MISSING", segment.name_of(known.first), 0, known.first)
        names = [*self._archived(known.first), *names]
        self._begin(segment.first_index_of(names[0]))
        self._segments(names, known)
        self._require_recorded(known)

    def _begin(self, first: int) -> None:
        """Take the chain over what is not there any more from the hashes that the seal kept."""
        if first > self.sealed.size:
            raise _Finding("REMOVED_PAST_SEAL", mark.NAME, 0, self.sealed.size)
        sha256, chain = hashlib.sha256, self.chain
        for begin in range(0, first, _PIECE):
            for leaf in _leaves(self.sealed, begin, min(_PIECE, first - begin)):
                chain = sha256(chain + leaf).digest()
        self.first, self.index, self.chain = first, first, chain

    def _segments(self, names: list[str], known: mark.Mark) -> None:
        before = -1 if self.first else 0
        for number, name in enumerate(names):
            last = number == len(names) - 1
            try:
                before = self._segment(name, before, last=last)
            except packed.OtherFormat:
                raise _Finding("PACKED_FORMAT", name + packed.SUFFIX, 0) from None
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

    def _require_recorded(self, known: mark.Mark) -> None:
        """Make sure that records say what became of those before the first one, here and in the archive."""
        for first in sorted({self.first, known.first} - {0}):
            record = self.removals.get(first)
            if record is None or record.root != _root(self.sealed, first).hex():
                raise _Finding("REMOVAL_NOT_RECORDED", mark.NAME, 0, first)
            if record.years < min(each.years for each in law().rules) or record.cut > law().cut(record.time, record.years):
                raise _Finding("REMOVED_TOO_EARLY", mark.NAME, 0, first)
        lost = [each.first_index for each in self.removals.values() if each.archived and each.first_index < self.first]
        if self.archive is not None and lost:
            raise _Finding("ARCHIVE_MISSING", segment.name_of(min(lost)) + packed.SUFFIX, 0, min(lost))

    def _archived(self, first: int) -> list[str]:
        """Return the segments that only the archive has."""
        if self.archive is None or not self.archive.is_dir():
            return []
        return [name for name in segment.names(self.archive) if segment.first_index_of(name) < first]

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
            if header.previous_size != before >= 0:
                raise _Finding("SEGMENT_SIZE", name, 0)
            if header.chain != self.chain:
                raise _Finding("CHAIN_BROKEN", name, 0)
            self._frames(source, name, size, last=last)
        return size

    def _open(self, name: str) -> packed.SegmentBytes:
        """Open a segment; one that is there twice, in both forms or in the archive too, must be the same both times."""
        known, copies = self.known, [self.folder / (name + packed.SUFFIX)]
        assert known is not None
        if self.archive is not None:
            copies.append(self.archive / (name + packed.SUFFIX))
        if segment.first_index_of(name) < known.first:
            return packed.PackedBytes.open(copies[-1])
        source = segment.open_bytes(self.folder, name)
        if isinstance(source, packed.PackedBytes):
            del copies[0]
        with ExitStack() as failing:
            failing.callback(source.close)
            for copy in copies:
                if copy.exists():
                    with closing(packed.PackedBytes.open(copy)) as other:
                        if not _same(source, other):
                            raise _Finding("COPIES_DIFFER" if copy.parent == self.folder else "ARCHIVE_DIFFERS", copy.name, 0)
            failing.pop_all()
        return source

    def _frames(self, source: packed.SegmentBytes, name: str, size: int, *, last: bool) -> None:
        known = self.known
        goal = known.size if known is not None and known.segment == name else -1
        sha256 = hashlib.sha256
        sealed, leaves = self.sealed.size, self.sealed.leaves
        offset = segment.HEADER_SIZE
        until = -1 if self.until is None else self.until
        for base, part in segment.scan(source, offset, size):
            for at, kind, payload in part.frames:
                offset, index = base + at, self.index
                if index == until:
                    return
                if offset == goal:
                    self._compare(name, offset)
                if kind == frames.HEADER:
                    raise _Finding("FRAME_TYPE", name, offset)
                try:
                    record = decode(payload)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    raise _Finding("RECORD_UNREADABLE", name, offset) from None
                if record.index != index:
                    raise _Finding("INDEX_NOT_DENSE", name, offset)
                time = record.time
                if time < self.time:
                    raise _Finding("TIME_DECREASED", name, offset)
                leaf = sha256(b"\x00" + payload).digest()
                if index < sealed and leaf != leaves[index << 5 : (index << 5) + 32]:
                    raise _Finding("RECORD_NOT_AS_SEALED", name, offset)
                if type(record) is RemovedRecord:
                    self.removals[record.next_index] = record
                self.time = time
                self.chain = sha256(self.chain + leaf).digest()
                self.index = index + 1
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


def _leaves(sealed: Sealed, begin: int, count: int) -> list[bytes]:
    return [bytes(sealed.leaves[at : at + HASH]) for at in range(begin * HASH, (begin + count) * HASH, HASH)]


def _root(sealed: Sealed, size: int) -> bytes:
    grown = Growing()
    for begin in range(0, size, _PIECE):
        grown.add(_leaves(sealed, begin, min(_PIECE, size - begin)))
    return grown.root()
