"""The two forms of a segment's bytes: plain, while it is written, and packed, once it is closed.

A packed segment is a Zstandard file (RFC 8878): independent blocks of whole journal frames (`blocks.py`), and a skippable frame at the
end that says where each block begins, by record and by offset. A reader by index unpacks one block. The directory carries a digest
of itself, a CRC32C of each block and, in the file's last byte, the number of the format.
"""

from __future__ import annotations

import hashlib
import os
import struct
from bisect import bisect_right
from itertools import pairwise
from typing import Final, NamedTuple, Protocol, Self

from google_crc32c import value as crc32c

from munjigi.audit import blocks, frames
from munjigi.audit.files import sync_file
from munjigi.kernel.errors import Corruption

SUFFIX: Final = ".zst"
_SKIPPABLE: Final = struct.Struct("<II")
_SKIPPABLE_MAGIC: Final = 0x184D2A57
_ENTRY: Final = struct.Struct(">QQQI")
_COUNTS: Final = struct.Struct(">QQI")
FORMAT: Final = 2  # of blocks and directory; 1 had no number, and `Z` in its place
_MAGIC: Final = b"MUNJIGI"
_END: Final = _MAGIC + bytes([FORMAT])
_TAIL: Final = _COUNTS.size + 32 + len(_END)
_DAMAGED: Final = "A packed segment of the journal is damaged; run `munjigi audit verify` and restore it from a copy."


class SegmentBytes(Protocol):
    """A segment's plain bytes, wherever they come from. Every method may raise `OSError`."""

    @property
    def size(self) -> int:
        """Bytes there are by now."""
        ...

    def fileno(self) -> int:
        """Return the descriptor of the file."""
        ...

    def read(self, size: int, offset: int) -> bytes:
        """Return at most `size` bytes from `offset` on; fewer at the end, or where a block ends.

        Raises `Damaged` when the file is not what was written.
        """
        ...

    def split(self, offset: int, size: int, limit: int) -> frames.Split:
        """Split at most `size` bytes from `offset` on into at most `limit` frames; fewer where a block ends.

        Offsets of the frames count from `offset`. Raises `Damaged`.
        """
        ...

    def near(self, index: int) -> tuple[int, int]:
        """Return a record at or before `index` and its offset; (-1, 0) when only the beginning is known."""
        ...

    def sync(self) -> None:
        """Return when the bytes are on stable storage."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Damaged(Corruption):
    """A packed segment is not what was written; `offset` counts plain bytes."""

    def __init__(self, offset: int, reason: str = "JOURNAL_CORRUPT", message: str = _DAMAGED) -> None:
        super().__init__(reason, message)
        self.offset = offset


class OtherFormat(Damaged):
    """A packed segment names a format that this release does not read."""

    def __init__(self, number: int) -> None:
        super().__init__(
            0,
            "PACKED_FORMAT",
            f"A packed segment of the journal names format {number}, and this release of Munjigi reads format {FORMAT}. Use the "
            "release that packed it; if that is this one, restore the file from a copy.",
        )


class Block(NamedTuple):
    """Where a block begins: its first record, its place in the plain and in the packed bytes; the CRC of the packed ones."""

    first_index: int
    plain: int
    packed: int
    crc: int


class PlainBytes:
    """The file is the segment."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @property
    def size(self) -> int:
        """Bytes there are by now."""
        return os.fstat(self._fd).st_size

    def fileno(self) -> int:
        """Return the descriptor of the file."""
        return self._fd

    def read(self, size: int, offset: int) -> bytes:
        """Return at most `size` bytes."""
        return os.pread(self._fd, size, offset)

    def split(self, offset: int, size: int, limit: int) -> frames.Split:
        """Split what was read."""
        return frames.split(os.pread(self._fd, size, offset), limit)

    def near(self, index: int) -> tuple[int, int]:
        """Know the beginning only."""
        return -1, 0

    def sync(self) -> None:
        """Sync the file."""
        sync_file(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


class PackedBytes:
    """Unpacks a block at a time and keeps the last one."""

    def __init__(self, fd: int) -> None:
        """Read the directory at the end of an open file. Raises `Damaged` when it is not what was written."""
        self._fd = fd
        self._blocks, self._end, self.size = _directory(fd)
        self._records = [block.first_index for block in self._blocks]
        self._offsets = [block.plain for block in self._blocks]
        self._held = -1
        self._content = blocks.NOTHING

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open a packed segment. Raises `Damaged`, `OSError`."""
        fd = os.open(path, os.O_RDONLY)
        try:
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

    def fileno(self) -> int:
        """Return the descriptor of the file."""
        return self._fd

    def read(self, size: int, offset: int) -> bytes:
        """Return at most `size` bytes of the block that holds `offset`."""
        if not 0 <= offset < self.size:
            return b""
        begin = self._hold(offset)
        return self._content.data[offset - begin : offset - begin + size]

    def split(self, offset: int, size: int, limit: int) -> frames.Split:
        """Return frames of the block that holds `offset`; they have no CRC to check, the block has one."""
        if not 0 <= offset < self.size:
            return frames.Split([], 0, "")
        begin = self._hold(offset)
        found = self._content.split(offset - begin, limit) if begin + self._content.size <= offset + size else None
        return found or frames.split(self.read(size, offset), limit)

    def near(self, index: int) -> tuple[int, int]:
        """Return where the block that holds `index` begins."""
        block = self._blocks[max(bisect_right(self._records, index) - 1, 0)]
        return block.first_index, block.plain

    def sync(self) -> None:
        """Do nothing: it was synced before it got its name."""

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _hold(self, offset: int) -> int:
        """Unpack the block that holds `offset`, unless it is the last one that was; return where it begins."""
        number = bisect_right(self._offsets, offset) - 1
        if number != self._held:
            self._content, self._held = self._unpack(number), number
        return self._offsets[number]

    def _unpack(self, number: int) -> blocks.Content:
        block = self._blocks[number]
        last = number + 1 == len(self._blocks)
        end, plain = (self._end, self.size) if last else (self._blocks[number + 1].packed, self._offsets[number + 1])
        data = os.pread(self._fd, end - block.packed, block.packed)
        if len(data) != end - block.packed or crc32c(data) != block.crc:
            raise Damaged(block.plain)
        try:
            content = blocks.unpack(data)
        except ValueError:
            raise Damaged(block.plain) from None
        if content.size != plain - block.plain:
            raise Damaged(block.plain)
        return content


def pack_directory(blocks: list[Block], end: int, size: int) -> bytes:
    """Return the skippable frame that ends a packed segment of `end` bytes so far and `size` plain bytes."""
    body = b"".join(_ENTRY.pack(*block) for block in blocks) + _COUNTS.pack(end, size, len(blocks))
    content = body + hashlib.sha256(body).digest() + _END
    return _SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(content)) + content


def _directory(fd: int) -> tuple[list[Block], int, int]:
    """Return the blocks, where they end, and the plain size."""
    whole = os.fstat(fd).st_size
    tail = os.pread(fd, _TAIL, max(whole - _TAIL, 0))
    if len(tail) < _TAIL or tail[-len(_END) : -1] != _MAGIC:
        raise Damaged(0)
    if tail[-1] != FORMAT:
        raise OtherFormat(tail[-1])
    end, size, count = _COUNTS.unpack_from(tail)
    begin = whole - _TAIL - count * _ENTRY.size
    if not count or begin - _SKIPPABLE.size != end:
        raise Damaged(0)
    frame = os.pread(fd, whole - end, end)
    body = frame[_SKIPPABLE.size : -32 - len(_END)]
    blocks = [Block(*each) for each in _ENTRY.iter_unpack(body[: count * _ENTRY.size])]
    grows = all(a.plain < b.plain and a.packed < b.packed for a, b in pairwise(blocks))
    sound = blocks[0].plain == blocks[0].packed == 0 and grows and blocks[-1].plain < size and blocks[-1].packed < end
    if frame != pack_directory(blocks, end, size) or not sound:
        raise Damaged(0)
    return blocks, end, size
