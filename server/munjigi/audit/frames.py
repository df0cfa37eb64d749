"""The frame: `length u32 | CRC32C u32 | type u8 | payload`, big-endian; the CRC covers type and payload.

A wrong length moves the bytes under the CRC, so it is found as well. The type tells where a commit begins: of one that was
never synced a crash may leave any part, and nothing comes after it. Pure functions: bytes in,
values out, and no input makes them raise.
"""

from __future__ import annotations

import re
import struct
from typing import Final, Literal, NamedTuple

from google_crc32c import value as crc32c

MAX_PAYLOAD: Final = 1 << 20  # bytes
HEADER: Final = 1
RECORD: Final = 2  # the first one of a commit: everything before it was synced
FURTHER: Final = 3  # a record of the same commit as the one before it
RECORD_BYTE: Final = bytes([RECORD])
FURTHER_BYTE: Final = bytes([FURTHER])
OVERHEAD: Final = 9  # bytes of a frame besides its payload
LENGTH_AND_CRC: Final = struct.Struct(">II")

_HEAD: Final = struct.Struct(">IIB")
# Where a record frame could begin: a length of at most 1 MiB and the type. The look-ahead lets candidates overlap.
_FIRST: Final = re.compile(rb"(?=\x00[\x00-\x10].{6}\x02)", re.DOTALL)
_ANY: Final = re.compile(rb"(?=\x00[\x00-\x10].{6}[\x02\x03])", re.DOTALL)

Ending = Literal["", "INCOMPLETE", "BAD"]


class Frame(NamedTuple):
    """A whole frame with a good CRC. `offset` counts bytes from the beginning of the bytes that were split."""

    offset: int
    kind: int
    payload: bytes


class Split(NamedTuple):
    """The frames at the beginning of some bytes, the offset after the last one, and why it stops there.

    `ending` is empty when the bytes end with a frame, `INCOMPLETE` when they end within one, `BAD`
    when what follows is no frame: unknown type, impossible length or a CRC that does not match.
    """

    frames: list[Frame]
    end: int
    ending: Ending


def frame(kind: int, payload: bytes) -> bytes:
    """Return the frame that holds `payload`, which has at most `MAX_PAYLOAD` bytes."""
    body = bytes([kind]) + payload
    return LENGTH_AND_CRC.pack(len(payload), crc32c(body)) + body


def split(data: bytes, limit: int = 1 << 62) -> Split:
    """Take at most `limit` frames off the beginning of `data`."""
    frames: list[Frame] = []
    append = frames.append
    unpack = _HEAD.unpack_from
    size = len(data)
    at = 0
    while at < size and len(frames) < limit:
        if size - at < OVERHEAD:
            return Split(frames, at, "INCOMPLETE")
        length, crc, kind = unpack(data, at)
        if length > MAX_PAYLOAD or not HEADER <= kind <= FURTHER:
            return Split(frames, at, "BAD")
        end = at + OVERHEAD + length
        if end > size:
            return Split(frames, at, "INCOMPLETE")
        if crc32c(data[at + 8 : end]) != crc:
            return Split(frames, at, "BAD")
        append(Frame(at, kind, data[at + 9 : end]))
        at = end
    return Split(frames, at, "")


def find_record(data: bytes, start: int = 0, *, first_of_commit: bool = False) -> int:
    """Return the offset of the first whole record frame at or after `start`, whatever precedes it; -1 if none."""
    for candidate in (_FIRST if first_of_commit else _ANY).finditer(data, start):
        at = candidate.start()
        length, crc, _ = _HEAD.unpack_from(data, at)
        end = at + OVERHEAD + length
        if length <= MAX_PAYLOAD and end <= len(data) and crc32c(data[at + 8 : end]) == crc:
            return at
    return -1
