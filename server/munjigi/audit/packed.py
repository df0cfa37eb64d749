"""The two forms of a segment's bytes: plain, while it is written, and packed, once it is closed.

A packed segment is a Zstandard file (RFC 8878) of independent frames, each a block of whole journal frames, and a
skippable frame at the end that says where each block begins, by record and by offset. `zstd -d` gives back the plain
segment; a reader by index decompresses one block. The directory carries a digest of itself and a CRC32C of each block.
"""

from __future__ import annotations

import hashlib
import os
import struct
import sys
from bisect import bisect_right
from itertools import pairwise
from typing import Final, NamedTuple, Protocol, Self

from google_crc32c import value as crc32c

from munjigi.audit.files import SystemDevice
from munjigi.kernel.errors import Corruption

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SUFFIX: Final = ".zst"
_SKIPPABLE: Final = struct.Struct("<II")
_SKIPPABLE_MAGIC: Final = 0x184D2A57
_ENTRY: Final = struct.Struct(">QQQI")
_COUNTS: Final = struct.Struct(">QQI")
_MAGIC: Final = b"MUNJIGIZ"
_TAIL: Final = _COUNTS.size + 32 + len(_MAGIC)
_MAX_BLOCK: Final = 4 << 20  # bytes of a block when unpacked; more is not ours


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

    def __init__(self, offset: int) -> None:
        super().__init__(
            "JOURNAL_CORRUPT",
            "A packed segment of the journal is damaged; run `munjigi audit verify` and restore it from a copy.",
        )
        self.offset = offset


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

    def near(self, index: int) -> tuple[int, int]:
        """Know the beginning only."""
        return -1, 0

    def sync(self) -> None:
        """Sync the file."""
        SystemDevice().sync(self._fd)

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
        self._data = b""

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
        number = bisect_right(self._offsets, offset) - 1
        if number != self._held:
            self._data, self._held = self._unpack(number), number
        begin = offset - self._offsets[number]
        return self._data[begin : begin + size]

    def near(self, index: int) -> tuple[int, int]:
        """Return where the block that holds `index` begins."""
        block = self._blocks[max(bisect_right(self._records, index) - 1, 0)]
        return block.first_index, block.plain

    def sync(self) -> None:
        """Do nothing: it was synced before it got its name."""

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _unpack(self, number: int) -> bytes:
        block = self._blocks[number]
        last = number + 1 == len(self._blocks)
        end, plain = (self._end, self.size) if last else (self._blocks[number + 1].packed, self._offsets[number + 1])
        data = os.pread(self._fd, end - block.packed, block.packed)
        length = plain - block.plain
        if len(data) != end - block.packed or crc32c(data) != block.crc or not 0 < length <= _MAX_BLOCK:
            raise Damaged(block.plain)
        unpacker = zstd.ZstdDecompressor()
        try:
            found = unpacker.decompress(data, length)
        except zstd.ZstdError:
            raise Damaged(block.plain) from None
        if len(found) != length or not unpacker.eof or unpacker.unused_data:
            raise Damaged(block.plain)
        return found


def pack_block(data: bytes, level: int) -> bytes:
    """Return one block as a Zstandard frame of its own, with its checksum."""
    return zstd.compress(
        data,
        options={
            zstd.CompressionParameter.compression_level: level,
            zstd.CompressionParameter.checksum_flag: 1,
        },
    )


def pack_directory(blocks: list[Block], end: int, size: int) -> bytes:
    """Return the skippable frame that ends a packed segment of `end` bytes so far and `size` plain bytes."""
    body = b"".join(_ENTRY.pack(*block) for block in blocks) + _COUNTS.pack(end, size, len(blocks))
    content = body + hashlib.sha256(body).digest() + _MAGIC
    return _SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(content)) + content


def _directory(fd: int) -> tuple[list[Block], int, int]:
    """Return the blocks, where they end, and the plain size."""
    whole = os.fstat(fd).st_size
    tail = os.pread(fd, _TAIL, max(whole - _TAIL, 0))
    if len(tail) < _TAIL or not tail.endswith(_MAGIC):
        raise Damaged(0)
    end, size, count = _COUNTS.unpack_from(tail)
    begin = whole - _TAIL - count * _ENTRY.size
    if not count or begin - _SKIPPABLE.size != end:
        raise Damaged(0)
    frame = os.pread(fd, whole - end, end)
    body = frame[_SKIPPABLE.size : -32 - len(_MAGIC)]
    blocks = [Block(*each) for each in _ENTRY.iter_unpack(body[: count * _ENTRY.size])]
    grows = all(a.plain < b.plain and a.packed < b.packed for a, b in pairwise(blocks))
    sound = blocks[0].plain == blocks[0].packed == 0 and grows and blocks[-1].plain < size and blocks[-1].packed < end
    if frame != pack_directory(blocks, end, size) or not sound:
        raise Damaged(0)
    return blocks, end, size
