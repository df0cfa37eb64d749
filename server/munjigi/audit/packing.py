"""Pack closed segments: the plain file goes only when the packed one is durable and gives back the same records.

The scratch file lies beside the logs' folders, not in one, so that whoever verifies a log meets only files that belong
there. A crash at any point leaves at least one whole form under its name; the next step finishes or begins again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from google_crc32c import value as crc32c

from munjigi.audit import blocks, files, frames, mark, packed, segment
from munjigi.kernel.errors import Corruption

BLOCK: Final = 1 << 20  # bytes: one record of it takes about 3 ms to read, and half of it would be 4 bytes a record more on disk
_SCRATCH: Final = "*.pack.tmp"


def tidy(root: Path) -> None:
    """Remove what a packing that was killed left behind. Raises `OSError`."""
    for scratch in root.glob(_SCRATCH):
        scratch.unlink(missing_ok=True)


def waiting(folder: Path) -> list[str]:
    """Return the segments of a log that are closed and still have a plain file, oldest first. Raises `OSError`."""
    known = mark.read(folder)
    if known is None:
        return []
    return [name for name in segment.names(folder) if name < known.segment and (folder / name).exists()]


def pack(folder: Path, name: str) -> None:
    """Put the packed form of a closed segment in the place of the plain one.

    Raises `Corruption` when the records are not those that the next segment's header speaks of; then the plain file
    stays. Raises `OSError` when the disk refuses.
    """
    target = folder / (name + packed.SUFFIX)
    if not target.exists():
        scratch = folder.parent / f"{folder.name}-{name}.{os.getpid()}.pack.tmp"
        try:
            _write(folder / name, scratch)
            _check(folder, name, scratch)
            scratch.rename(target)
        finally:
            with suppress(FileNotFoundError):
                scratch.unlink()
        files.sync_folder(folder)
    else:
        _check(folder, name, target)
    (folder / name).unlink(missing_ok=True)
    files.sync_folder(folder)


def _write(path: Path, scratch: Path) -> None:
    """Write the packed form, durable but for its name."""
    fd = os.open(path, os.O_RDONLY)
    with closing(packed.PlainBytes(fd)) as plain:
        header = segment.parse_header(plain.read(segment.HEADER_SIZE, 0))
        if header is None:
            raise _damaged(path)
        entries, place, size = [], 0, 0
        out = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, files.FILE_MODE)
        try:
            for first, length, found in _blocks(path, plain, header.first_index):
                block = blocks.pack(found)
                files.write_all(out, block)
                entries.append(packed.Block(first, size, place, crc32c(block)))
                place, size = place + len(block), size + length
            files.write_all(out, packed.pack_directory(entries, place, size))
            os.fsync(out)
        finally:
            os.close(out)


def _blocks(path: Path, plain: packed.PlainBytes, first: int) -> Iterator[tuple[int, int, list[frames.Frame]]]:
    """Cut a segment into its header and blocks of whole frames: (first record, bytes, frames)."""
    yield first, segment.HEADER_SIZE, frames.split(plain.read(segment.HEADER_SIZE, 0)).frames
    index, length, held = first, 0, list[frames.Frame]()
    for _, part in segment.scan(plain, segment.HEADER_SIZE, plain.size):
        if part.ending:
            raise _damaged(path)
        for each in part.frames:
            held.append(each)
            length += frames.OVERHEAD + len(each.payload)
            if length >= BLOCK:
                yield index, length, held
                index, length, held = index + len(held), 0, []
    if held:
        yield index, length, held


def _check(folder: Path, name: str, path: Path) -> None:
    """Unpack `path` and hold it against the plain file and against what the next segment says of it."""
    names = segment.names(folder)
    following = names[names.index(name) + 1]
    with closing(segment.open_bytes(folder, following)) as source:
        after = segment.parse_header(source.read(segment.HEADER_SIZE, 0))
    with closing(packed.PackedBytes.open(path)) as source:
        before = segment.parse_header(source.read(segment.HEADER_SIZE, 0))
        if before is None or after is None:
            raise _damaged(folder / name)
        digest = hashlib.sha256(source.read(segment.HEADER_SIZE, 0))
        chain, index = before.chain, before.first_index
        for base, part in segment.scan(source, segment.HEADER_SIZE, source.size):
            digest.update(source.read(part.end, base))
            for _, _, payload in part.frames:
                chain = hashlib.sha256(chain + hashlib.sha256(b"\x00" + payload).digest()).digest()
                index += 1
        reached = (before.first_index, source.size, index, chain)
    if reached != (after.previous_first, after.previous_size, after.first_index, after.chain):
        raise _damaged(folder / name)
    with (folder / name).open("rb") as plain:
        if hashlib.file_digest(plain, "sha256").digest() != digest.digest():
            raise _damaged(folder / name)


def _damaged(path: Path) -> Corruption:
    return Corruption("JOURNAL_CORRUPT", f"{path} is not what was written and stays as it is; run `munjigi audit verify`.")
