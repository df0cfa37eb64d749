"""One file of a journal: a header frame, then record frames. Named after the index of its first record.

The header says where the log stood before the segment (index, size of the previous file, chain), so
that a missing, shortened or exchanged segment shows without reading the others. A closed segment may be packed (`packed.py`);
it keeps its name and its place, and `open_bytes` reads either form.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from munjigi.audit import frames, packed
from munjigi.audit.files import FILE_MODE, sync_folder, write_all

GENESIS: Final = bytes(32)
_MAGIC: Final = b"MUNJIGI\n"
_FORMAT: Final = 1
_HEADER: Final = struct.Struct(">8sHH20sQQQq32s")
HEADER_SIZE: Final = frames.OVERHEAD + _HEADER.size
_NAME: Final = re.compile(r"[0-9]{20}\.seg\Z")
_FILE: Final = re.compile(r"([0-9]{20}\.seg)(?:\.zst)?\Z")
_ALL: Final = 1 << 62
_PIECE: Final = 2 * frames.MAX_PAYLOAD  # bytes; always holds one whole frame


class Header(NamedTuple):
    """Where a log stood when a segment was begun.

    `previous_first` and `previous_size` (bytes) are of the segment before, 0 for none; `created` is UTC
    nanoseconds, `chain` 32 bytes.
    """

    log_id: str
    slot: int
    first_index: int
    previous_first: int
    previous_size: int
    created: int
    chain: bytes


def pack_header(header: Header) -> bytes:
    """Return the header's frame."""
    return frames.frame(
        frames.HEADER,
        _HEADER.pack(
            _MAGIC,
            _FORMAT,
            header.slot,
            header.log_id.encode("ascii"),
            header.first_index,
            header.previous_first,
            header.previous_size,
            header.created,
            header.chain,
        ),
    )


def parse_header(data: bytes) -> Header | None:
    """Read the header off the beginning of a segment's bytes; None when there is none."""
    found = frames.split(data[:HEADER_SIZE], 1).frames
    if not found or found[0].kind != frames.HEADER or len(found[0].payload) != _HEADER.size:
        return None
    magic, version, slot, log_id, first, previous_first, previous_size, created, chain = _HEADER.unpack(found[0].payload)
    if magic != _MAGIC or version != _FORMAT or not log_id.isascii():
        return None
    return Header(log_id.decode("ascii"), slot, first, previous_first, previous_size, created, chain)


def name_of(first_index: int) -> str:
    """Return the name of the segment that begins with record `first_index`."""
    return f"{first_index:020d}.seg"


def first_index_of(name: str) -> int:
    """Return the index in a segment's name; -1 when it is not such a name."""
    return int(name[:20]) if _NAME.match(name) else -1


def names(folder: Path) -> list[str]:
    """Return the names of a log's segments in order. Raises `OSError`."""
    return sorted({found[1] for path in folder.iterdir() if (found := _FILE.match(path.name))})


def exists(folder: Path, name: str) -> bool:
    """Tell whether a segment is there, in either form."""
    return (folder / name).exists() or (folder / (name + packed.SUFFIX)).exists()


def open_bytes(folder: Path, name: str) -> packed.SegmentBytes:
    """Open a segment, plain or packed. Raises `OSError`, and `Corruption` when a packed one is not what was written."""
    try:
        return packed.PlainBytes(os.open(folder / name, os.O_RDONLY))
    except FileNotFoundError:  # the packed one gets its name before the plain one loses it
        return packed.PackedBytes.open(folder / (name + packed.SUFFIX))


def read_header(path: Path) -> Header | None:
    """Read the header of the segment named `path`, in either form; None when there is none. Raises `OSError`."""
    with closing(open_bytes(path.parent, path.name)) as source:
        return parse_header(source.read(HEADER_SIZE, 0))


def reach_of(path: Path) -> tuple[int, int, int, bytes] | None:
    """Read a packed segment and return its first index, plain size, the index after its last record, and the chain there.

    None when a frame is damaged. Raises `OSError`, `Damaged`.
    """
    with closing(packed.PackedBytes.open(path)) as source:
        header = parse_header(source.read(HEADER_SIZE, 0))
        if header is None:
            return None
        chain, index = header.chain, header.first_index
        for _, part in scan(source, HEADER_SIZE, source.size):
            for _, _, payload in part.frames:
                chain = hashlib.sha256(chain + hashlib.sha256(b"\x00" + payload).digest()).digest()
                index += 1
            if part.ending:
                return None
        return header.first_index, source.size, index, chain


def create(folder: Path, header: Header) -> int:
    """Make a new segment, durable under its name, and return a descriptor that appends to it. Raises `OSError`."""
    path = folder / name_of(header.first_index)
    scratch = path.with_name(path.name + ".tmp")
    scratch.unlink(missing_ok=True)
    fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, FILE_MODE)
    try:
        write_all(fd, pack_header(header))
        os.fsync(fd)
        scratch.rename(path)
        sync_folder(folder)
    except OSError:
        os.close(fd)
        raise
    return fd


def scan(source: packed.SegmentBytes, start: int, stop: int) -> Iterator[tuple[int, frames.Split]]:
    """Split the bytes [start, stop) of a segment piece by piece: (offset of the piece, its frames).

    Offsets in a `Split` count from its piece. Only the last piece can end `INCOMPLETE`, and nothing follows a
    piece that ends `BAD`. Raises `OSError`, `Damaged`.
    """
    at = start
    while at < stop:
        size = min(_PIECE, stop - at)
        part = source.split(at, size, _ALL)
        if not part.end and not part.ending:
            return
        if part.ending == "INCOMPLETE" and part.end and at + size < stop:
            part = part._replace(ending="")
        yield at, part
        if part.ending:
            return
        at += part.end
