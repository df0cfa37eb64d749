"""What may be copied of logs and seal while they are written: a prefix that was durable, and whole by itself.

A copy of a seal is taken before those of its logs, so that what was sealed is in the logs.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from munjigi.audit import files, frames, mark, packed, removal, segment
from munjigi.audit.seal import entries
from munjigi.audit.seal.generations import earlier
from munjigi.audit.seal.merkle import HASH
from munjigi.audit.seal.note import Checkpoint, Note
from munjigi.audit.seal.store import CHECKPOINT, ENTRIES, LOGS, ROTATIONS, read_note
from munjigi.kernel.errors import Corruption, Unavailable

_LOOKS: Final = 20  # for the end of a log that is rotated under our eyes


class Piece(NamedTuple):
    """The first `size` bytes of `content`, to be kept as `name` below the state folder. Whoever takes a piece closes it."""

    name: str
    size: int
    content: BinaryIO


class Copied(NamedTuple):
    """How far the copy of a log reaches: the index after its last record, and the chain (hex); the legal holds that it names."""

    log_id: str
    slot: int
    records: int
    chain: str
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SealCopy:
    """A seal as of one checkpoint; `sealed` are the records of each log under it."""

    folder: Path
    note: Note
    sealed: Mapping[str, int]

    @classmethod
    def of(cls, folder: Path) -> SealCopy | None:
        """Look at the last checkpoint; None when nothing is sealed. Raises `Corruption`, `OSError`."""
        note = read_note(folder)
        if note is None or not Checkpoint.parse(note.text).size:
            return None
        with closing(entries.Entries(folder / ENTRIES, read_only=True)) as written:
            heads = written.heads(Checkpoint.parse(note.text).size)
        return cls(folder, note, {log_id: found[-1].size for log_id, found in heads.items()})

    def pieces(self) -> Iterator[Piece]:
        """Yield what is needed to go on from the checkpoint; trees over entries are made again. Raises `OSError`."""
        root = self.folder
        size = Checkpoint.parse(self.note.text).size
        yield whole(f"{root.name}/{CHECKPOINT}", str(self.note).encode())
        yield _part(root, root / ENTRIES, size * entries.SIZE)
        for path in sorted((root / ROTATIONS).glob("*")):
            if path.name.isdigit() and int(path.name) < size:
                yield _part(root, path)
        for log_id, records in sorted(self.sealed.items()):
            yield _part(root, root / LOGS / log_id / "0", records * HASH)
        for generation in earlier(root):
            for path in (generation / CHECKPOINT, generation / ENTRIES, *sorted((generation / ROTATIONS).glob("*"))):
                yield _part(root, path)


class JournalCopy:
    """The log of one folder, up to what is durable when it is looked at. `copied` says how far that is, once it is taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.copied: Copied | None = None

    def pieces(self) -> Iterator[Piece]:
        """Yield the segments, oldest first, and a mark that is exactly of them.

        Raises `Corruption` when the end of the log is not what was written, `OSError`.
        """
        root = self._folder.parent
        known, name, last = self._end()
        try:
            known = removal.settled(self._folder, known)  # a removal that is under way is finished in the copy, or never began
            end = _Scan(self._folder / name, last, known)
            for each in segment.names(self._folder):
                if known.first <= segment.first_index_of(each) and each < name:  # what retention removes may be there still
                    yield _segment(root, self._folder, each)
            yield Piece(f"{root.name}/{self._folder.name}/{name}", end.size, last)
        finally:
            last.close()
        exact = msgspec.structs.replace(
            known, clean=True, segment=name, size=end.size, next_index=end.next_index, chain=end.chain.hex(), cuts=()
        )
        yield whole(f"{root.name}/{self._folder.name}/{mark.NAME}", mark.pack(exact))
        self.copied = Copied(known.log_id, known.slot, end.next_index, end.chain.hex(), known.holds)

    def _end(self) -> tuple[mark.Mark, str, BinaryIO]:
        """Open the last segment, which is never packed; a rotation may come between looking and opening."""
        for _ in range(_LOOKS):
            known = mark.read(self._folder)
            if known is None or known.log_id != self._folder.name:
                raise _damaged(self._folder / mark.NAME, "is not what was written")
            name = segment.names(self._folder)[-1]
            try:
                return known, name, (self._folder / name).open("rb")
            except FileNotFoundError:
                continue
        raise _damaged(self._folder / name, "is missing")


class _Scan:
    """Where the last whole and durable record of an open segment ends."""

    def __init__(self, path: Path, file: BinaryIO, known: mark.Mark) -> None:
        whole_size = os.fstat(file.fileno()).st_size  # before the sync: what comes later may not be durable
        files.sync_file(file.fileno())
        plain = packed.PlainBytes(file.fileno())
        header = segment.parse_header(plain.read(segment.HEADER_SIZE, 0))
        if header is None or header.log_id != path.parent.name or segment.name_of(header.first_index) != path.name:
            raise _damaged(path, "has a header that is not what was written")
        self.size, self.next_index, self.chain = segment.HEADER_SIZE, header.first_index, header.chain
        sha256 = hashlib.sha256
        for base, part in segment.scan(plain, segment.HEADER_SIZE, whole_size):
            for offset, _, payload in part.frames:
                self.chain = sha256(self.chain + sha256(b"\x00" + payload).digest()).digest()
                self.next_index += 1
                self.size = base + offset + frames.OVERHEAD + len(payload)
        if known.segment == path.name and self.size < known.size:
            raise _damaged(path, f"is damaged at offset {self.size}, below what was known to be whole")
        # What follows the last whole frame is being written just now, or torn; a later commit after it tells that it was synced.
        rest = plain.read(2 * frames.MAX_PAYLOAD, self.size)
        if frames.find_record(rest[: whole_size - self.size], 1, first_of_commit=True) >= 0:
            raise _damaged(path, f"has a damaged frame at offset {self.size}")


def whole(name: str, data: bytes) -> Piece:
    """Return a file of these bytes."""
    return Piece(name, len(data), io.BytesIO(data))


def plain(root: Path, folder: str, *patterns: str) -> Iterator[Piece]:
    """Yield the files of a folder below `root` that are replaced as a whole or only grow. Raises `OSError`."""
    for pattern in patterns:
        for path in sorted((root / folder).glob(pattern)):
            yield _part(root / folder, path)


def _part(root: Path, path: Path, size: int | None = None) -> Piece:
    name = f"{root.name}/{path.relative_to(root)}"
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise _gone(name) from None
    there = os.fstat(file.fileno()).st_size
    if size is not None and there < size:
        file.close()
        raise _damaged(path, f"has {there} bytes, and {size} are sealed")
    return Piece(name, there if size is None else size, file)


def _segment(root: Path, folder: Path, name: str) -> Piece:
    """Open a closed segment in whatever form it has: the packed one gets its name before the plain one loses it."""
    try:
        return _part(root, folder / name)
    except Unavailable:
        return _part(root, folder / (name + packed.SUFFIX))


def _damaged(path: Path, what: str) -> Corruption:
    return Corruption("BACKUP_OF_DAMAGED", f"{path} {what}; run `munjigi audit verify`. No backup is made of it.")


def _gone(name: str) -> Unavailable:
    return Unavailable("BACKUP_DISTURBED", f"{name} was removed while it was copied; run the backup again.")
