"""Read a journal's records while another process writes them. Read-only; remembers where it stands.

What is written but not yet synced is read as well. A crash can take it back, which `epoch` shows: the
follower then compares its last record with the log (`follow.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from munjigi.audit import frames, mark, segment, slots
from munjigi.audit.packed import SegmentBytes
from munjigi.kernel.errors import Corruption, NotFound, Unavailable
from munjigi.kernel.ids import record_id

_PIECE: Final = 2 * frames.MAX_PAYLOAD  # bytes; always holds one whole frame
_EVERY: Final = 256  # records between two places of a plain segment that a reader remembers


def list_logs(root: Path) -> list[str]:
    """Return the ids of the logs under the journal folder, in order."""
    return slots.logs(root)


class JournalReader:
    """A `LogSource` over the files of one log, or over the segments of one that lie in an archive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._epoch: tuple[int, int] | None = None
        self._first = 0
        self._removal = -1
        self._source: SegmentBytes | None = None
        self._offset = 0
        self._index = -1  # of the record at `_offset`; -1: nowhere
        self._places: list[
            tuple[int, int]
        ] = []  # of the segment that was read last: (index, offset), the first one its beginning

    @property
    def log_id(self) -> str:
        """The log's id."""
        return self._folder.name

    def epoch(self) -> tuple[int, int]:
        """Return a value that changes when the log is opened, rotated, shortened or closed by its writer."""
        return mark.epoch(self._folder)

    def first(self) -> int:
        """Return the index of the first record that is still there."""
        try:
            self._look()
        except OSError as error:
            raise _unreadable(self._folder) from error
        return self._first

    def read(self, from_index: int, limit: int) -> list[tuple[int, bytes]]:
        """Return at most `limit` whole records from `from_index` on; a torn tail is one that is not there yet.

        Raises `NotFound` for a record that retention removed, `Corruption` when a damaged frame is followed by a whole one or
        a segment is missing, `Unavailable` when the files can't be read.
        """
        try:
            return self._read(from_index, limit)
        except OSError as error:
            self.close()
            if self.epoch() == self._epoch:
                raise _unreadable(self._folder) from error
        try:
            return self._read(from_index, limit)  # the segment was removed meanwhile: the new mark says what there is
        except OSError as error:
            raise _unreadable(self._folder) from error

    def settle(self) -> None:
        """Sync the open segment; the ones before it were synced when they were closed."""
        try:
            if self._source is not None:
                self._source.sync()
        except OSError as error:
            raise Unavailable("JOURNAL_UNREADABLE", f"{self._folder} can't be synced; look at the disk.") from error

    def close(self) -> None:
        """Let go of the open segment."""
        if self._source is not None:
            with suppress(OSError):
                self._source.close()
        self._source, self._index = None, -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, from_index: int, limit: int) -> list[tuple[int, bytes]]:
        self._look()
        if from_index < self._first:
            raise removed(self.log_id, from_index, self._removal)
        if not 0 <= self._index <= from_index and not self._seek(from_index):
            return []
        assert self._source is not None
        found: list[tuple[int, bytes]] = []
        while len(found) < limit:
            skip = from_index - self._index
            part = self._piece(self._source, limit - len(found) + max(skip, 0))
            self._remember(part)
            for _, _, payload in part.frames:
                if self._index >= from_index:
                    found.append((self._index, payload))
                self._index += 1
            self._offset += part.end
            if not part.frames:
                if not self._next_segment(self._source):
                    break
                assert self._source is not None
        return found

    def _look(self) -> None:
        """Learn where the log begins whenever its mark was replaced; then its end may have been cut, too."""
        now = self.epoch()
        if now == self._epoch:
            return
        known = mark.read(self._folder)
        if known is not None:
            self._first, self._removal = known.first, known.removal
        else:  # an archive has no mark
            self._first = min(map(segment.first_index_of, segment.names(self._folder)), default=0)
        self._epoch = now
        self._index, self._places = -1, []

    def _piece(self, source: SegmentBytes, limit: int) -> frames.Split:
        """Split the bytes at the cursor. Raises `Corruption` when they are damaged for good."""
        part = source.split(self._offset, _PIECE, limit)
        if part.ending == "BAD" and not part.frames:
            data = source.read(_PIECE, self._offset)  # a second look: the writer may have been in the middle of it
            part = frames.split(data, limit)
            if part.ending == "BAD" and not part.frames and frames.find_record(data, 1) >= 0:
                raise Corruption(
                    "JOURNAL_CORRUPT",
                    f"{self._folder} has a damaged frame at record {self._index}; run `munjigi audit verify`.",
                )
        return part

    def _seek(self, from_index: int) -> bool:
        """Go to a place at or before `from_index` in the segment that holds it; False when there is none yet."""
        self.close()
        first = -1
        for name in segment.names(self._folder):
            if segment.first_index_of(name) <= from_index:
                first = segment.first_index_of(name)
        if first < 0:
            return False
        near = self._enter(first).near(from_index)
        known = self._places[bisect_right(self._places, (from_index, 1 << 62)) - 1]
        index, offset = max(near, known)
        if offset > segment.HEADER_SIZE:
            self._index, self._offset = index, offset
        return True

    def _remember(self, part: frames.Split) -> None:
        """Note where some of these frames are, so that a look back into a plain segment need not begin at its beginning."""
        for number in range(0, len(part.frames), _EVERY):
            if self._index + number >= self._places[-1][0] + _EVERY:
                self._places.append((self._index + number, self._offset + part.frames[number].offset))

    def _next_segment(self, source: SegmentBytes) -> bool:
        """Go on to the segment that begins where this one ends; False when there is none yet."""
        following = segment.name_of(self._index)
        if self._offset == segment.HEADER_SIZE or not segment.exists(self._folder, following):
            return False  # an empty segment is the last one
        if source.size != self._offset:
            # The name appears after the last byte of the segment before it: look once more, then judge.
            if self._piece(source, 1).frames:
                return True
            raise Corruption(
                "JOURNAL_CORRUPT", f"{self._folder} has bytes of no frame before {following}; run `munjigi audit verify`."
            )
        self._enter(self._index)
        return True

    def _enter(self, first: int) -> SegmentBytes:
        source = segment.open_bytes(self._folder, segment.name_of(first))
        if self._source is not None:
            self._source.close()
        self._source = source
        header = segment.parse_header(source.read(segment.HEADER_SIZE, 0))
        if header is None or header.first_index != first or header.log_id != self.log_id:
            self.close()
            raise Corruption(
                "JOURNAL_CORRUPT", f"{self._folder} has a damaged header before record {first}; run `munjigi audit verify`."
            )
        self._offset, self._index = segment.HEADER_SIZE, first
        if not self._places or self._places[0][0] != first:
            self._places = [(first, segment.HEADER_SIZE)]
        return source


def removed(log_id: str, index: int, removal: int) -> NotFound:
    """Make the error for a record that retention removed; record `removal` of the log says when and why, -1 if unknown."""
    said = f"; record {record_id(log_id, removal)} says when and why" if removal >= 0 else ""
    return NotFound(
        "RECORD_REMOVED",
        f"Record {record_id(log_id, index)} was removed at the end of its retention{said}. If an archive was kept, name its "
        "folder with --archive.",
    )


def _unreadable(folder: Path) -> Unavailable:
    return Unavailable("JOURNAL_UNREADABLE", f"{folder} can't be read; it belongs to the user who runs munjigi.")
