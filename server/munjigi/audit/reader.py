"""Read a journal's records while another process writes them. Read-only; remembers where it stands.

What is written but not yet synced is read as well. A crash can take it back, which `epoch` shows: the
follower then compares its last record with the log (`follow.py`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from munjigi.audit import frames, mark, segment, slots
from munjigi.audit.files import SystemDevice
from munjigi.kernel.errors import Corruption, Unavailable

_PIECE: Final = 2 * frames.MAX_PAYLOAD  # bytes; always holds one whole frame


def list_logs(root: Path) -> list[str]:
    """Return the ids of the logs under the journal folder, in order."""
    return slots.logs(root)


class JournalReader:
    """A `LogSource` over the files of one log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._epoch = (0, 0)
        self._fd = -1
        self._offset = 0
        self._index = -1  # of the record at `_offset`; -1: nowhere

    @property
    def log_id(self) -> str:
        """The log's id."""
        return self._folder.name

    def epoch(self) -> tuple[int, int]:
        """Return a value that changes when the log is opened, rotated or closed by its writer."""
        return mark.epoch(self._folder)

    def read(self, from_index: int, limit: int) -> list[tuple[int, bytes]]:
        """Return at most `limit` whole records from `from_index` on; a torn tail is one that is not there yet.

        Raises `Corruption` when a damaged frame is followed by a whole one or a segment is missing, `Unavailable` when
        the files can't be read.
        """
        try:
            return self._read(from_index, limit)
        except OSError as error:
            self.close()
            raise Unavailable(
                "JOURNAL_UNREADABLE", f"{self._folder} can't be read; it belongs to the user who runs munjigi."
            ) from error

    def settle(self) -> None:
        """Sync the open segment; the ones before it were synced when they were closed."""
        try:
            if self._fd >= 0:
                SystemDevice().sync(self._fd)
        except OSError as error:
            raise Unavailable("JOURNAL_UNREADABLE", f"{self._folder} can't be synced; look at the disk.") from error

    def close(self) -> None:
        """Let go of the open segment."""
        if self._fd >= 0:
            with suppress(OSError):
                os.close(self._fd)
        self._fd, self._index = -1, -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, from_index: int, limit: int) -> list[tuple[int, bytes]]:
        now = self.epoch()
        if now != self._epoch or not 0 <= self._index <= from_index:
            self._epoch = now
            if not self._seek(from_index):
                return []
        found: list[tuple[int, bytes]] = []
        while len(found) < limit:
            skip = from_index - self._index
            part = self._piece(limit - len(found) + max(skip, 0))
            for _, _, payload in part.frames:
                if self._index >= from_index:
                    found.append((self._index, payload))
                self._index += 1
            self._offset += part.end
            if not part.frames and not self._next_segment():
                break
        return found

    def _piece(self, limit: int) -> frames.Split:
        """Split the bytes at the cursor. Raises `Corruption` when they are damaged for good."""
        data = os.pread(self._fd, _PIECE, self._offset)
        part = frames.split(data, limit)
        if part.ending == "BAD" and not part.frames:
            data = os.pread(self._fd, _PIECE, self._offset)  # a second look: the writer may have been in the middle of it
            part = frames.split(data, limit)
            if part.ending == "BAD" and not part.frames and frames.find_record(data, 1) >= 0:
                raise Corruption(
                    "JOURNAL_CORRUPT",
                    f"{self._folder} has a damaged frame at record {self._index}; run `munjigi audit verify`.",
                )
        return part

    def _seek(self, from_index: int) -> bool:
        """Go to the beginning of the segment that holds `from_index`; False when there is none yet."""
        self.close()
        first = -1
        for name in segment.names(self._folder):
            if segment.first_index_of(name) <= from_index:
                first = segment.first_index_of(name)
        return first >= 0 and self._enter(first)

    def _next_segment(self) -> bool:
        """Go on to the segment that begins where this one ends; False when there is none yet."""
        following = self._folder / segment.name_of(self._index)
        if self._offset == segment.HEADER_SIZE or not following.exists():
            return False  # an empty segment is the last one
        if os.fstat(self._fd).st_size != self._offset:
            # The name appears after the last byte of the segment before it: look once more, then judge.
            if self._piece(1).frames:
                return True
            raise Corruption(
                "JOURNAL_CORRUPT", f"{self._folder} has bytes of no frame before {following.name}; run `munjigi audit verify`."
            )
        return self._enter(self._index)

    def _enter(self, first: int) -> bool:
        fd = os.open(self._folder / segment.name_of(first), os.O_RDONLY)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        header = segment.parse_header(os.pread(fd, segment.HEADER_SIZE, 0))
        if header is None or header.first_index != first or header.log_id != self.log_id:
            self.close()
            raise Corruption(
                "JOURNAL_CORRUPT", f"{self._folder} has a damaged header before record {first}; run `munjigi audit verify`."
            )
        self._offset, self._index = segment.HEADER_SIZE, first
        return True
