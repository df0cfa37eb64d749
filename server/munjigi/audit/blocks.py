"""A block of a packed segment: whole journal frames, of which length and CRC are left out and made again.

Zstandard frames, one for each part: the columns of the records, or the bytes as they are where columns would not give them back. A
skippable frame before them says which, and how long each part is.
"""

from __future__ import annotations

import struct
import sys
from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Final

from munjigi.audit import columns, frames

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_SIZE: Final = 4 << 20  # bytes of a block, or of a part of it, when unpacked; more is not ours
_LEVEL: Final = 9  # of Zstandard: a fifth of what packing costs
_HEAD: Final = struct.Struct("<II")  # of a skippable frame: magic number, bytes that follow
_MAGIC: Final = 0x184D2A56
_COUNT: Final = 1 + len(columns.Cut._fields)  # parts at most
_PARTS: Final = struct.Struct(f">B{_COUNT}I")  # plain or columns, how long each part is when packed
_SIZE: Final = 4  # bytes of a payload's size
_PLAIN: Final = 0
_COLUMNS: Final = 1
_FRAME: Final = partial(tuple.__new__, frames.Frame)
_RECORD_KINDS: Final = frames.RECORD_BYTE + frames.FURTHER_BYTE


class Content:
    """What a block holds. Offsets count from its first byte."""

    def __init__(self, payloads: Sequence[bytes], sizes: Sequence[int], kinds: bytes, data: bytes | None = None) -> None:
        """Hold frames of these sizes (bytes) and types; `data` are their bytes, if known."""
        self._payloads = payloads
        self._kinds = kinds
        self._data = data
        self._places = list(accumulate(sizes, initial=0))

    @property
    def size(self) -> int:
        """Plain bytes."""
        return self._places[-1]

    @property
    def data(self) -> bytes:
        """The plain bytes."""
        if self._data is None:
            self._data = b"".join(map(frames.frame, self._kinds, self._payloads))
        return self._data

    def split(self, offset: int, limit: int) -> frames.Split | None:
        """Return at most `limit` frames from the one that begins at `offset` on; None when none does."""
        first = bisect_left(self._places, offset)
        if self._places[first] != offset:
            return None
        last = min(first + limit, len(self._payloads))
        begins = [place - offset for place in self._places[first:last]]
        found = list(map(_FRAME, zip(begins, self._kinds[first:last], self._payloads[first:last], strict=True)))
        return frames.Split(found, self._places[last] - offset, "")


NOTHING: Final = Content((), (), b"", b"")


def pack(found: Sequence[frames.Frame]) -> bytes:
    """Pack frames."""
    kinds = bytes(each.kind for each in found)
    payloads = [each.payload for each in found]
    made = columns.cut(b"".join(payloads)) if not kinds.translate(None, _RECORD_KINDS) else None
    if made is None:
        parts: tuple[bytes, ...] = (b"".join(map(frames.frame, kinds, payloads)),)
    else:
        parts = (kinds + columns.planes(list(map(len, payloads)), _SIZE), *made)
    packed = [_compress(each) for each in parts]
    lengths = [len(each) for each in packed] + [0] * (_COUNT - len(packed))
    head = _PARTS.pack(_PLAIN if made is None else _COLUMNS, *lengths)
    return b"".join([_HEAD.pack(_MAGIC, _PARTS.size), head, *packed])


def unpack(block: bytes) -> Content:
    """Undo `pack`. Raises `ValueError` when this is no block."""
    at = _HEAD.size + _PARTS.size
    if len(block) < at or _HEAD.unpack_from(block) != (_MAGIC, _PARTS.size):
        raise ValueError("no block")
    form, *lengths = _PARTS.unpack_from(block, _HEAD.size)
    if form not in {_PLAIN, _COLUMNS} or at + sum(lengths) != len(block):
        raise ValueError("no block")
    parts = []
    for length in lengths if form == _COLUMNS else lengths[:1]:
        parts.append(_decompress(block[at : at + length]))
        at += length
    if form == _PLAIN:
        found = frames.split(parts[0])
        if found.ending:
            raise ValueError("no whole frames")
        held = [each.payload for each in found.frames]
        kinds = bytes(each.kind for each in found.frames)
        return Content(held, [len(each) + frames.OVERHEAD for each in held], kinds, parts[0])
    heads, *rest = parts
    whole, count = columns.join(columns.Cut(*rest)), len(heads) // (1 + _SIZE)
    kinds, sizes = heads[:count], columns.values(heads[count:], _SIZE)
    if len(heads) != count * (1 + _SIZE) or kinds.translate(None, _RECORD_KINDS) or sum(sizes) != len(whole):
        raise ValueError("a block of other parts")
    payloads = struct.Struct("".join([f"{size}s" for size in sizes])).unpack(whole)
    return Content(payloads, [size + frames.OVERHEAD for size in sizes], kinds)


def _compress(data: bytes) -> bytes:
    return zstd.compress(
        data,
        options={
            zstd.CompressionParameter.compression_level: _LEVEL,
            zstd.CompressionParameter.checksum_flag: 1,
        },
    )


def _decompress(data: bytes) -> bytes:
    """Unpack one Zstandard frame. Raises `ValueError` when this is none, or more, or too large."""
    unpacker = zstd.ZstdDecompressor()
    try:
        found = unpacker.decompress(data, MAX_SIZE + 1)
    except zstd.ZstdError as error:
        raise ValueError("no Zstandard") from error
    if len(found) > MAX_SIZE or not unpacker.eof or unpacker.unused_data:
        raise ValueError("no Zstandard of ours")
    return found
