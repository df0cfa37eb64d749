"""A growing tree in files: the hashes of every eighth level, the rest is computed when asked for.

File `0` holds the leaves' hashes, file `1` those of complete subtrees of 256 leaves, file `2` of 65,536, and so on: a
slice of 256 hashes is a tile of c2sp.org/tlog-tiles. 32.13 bytes a leaf. Everything here can be made again from the log, but for
the leaves of records that retention removed.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from munjigi.audit.files import FILE_MODE, FOLDER_MODE, sync_file, sync_folder
from munjigi.audit.seal import merkle
from munjigi.audit.seal.merkle import HASH

_BITS: Final = 8
_TILE: Final = 1 << _BITS  # hashes


class StoredTree:
    """The tree of one log. One thread at a time; only one process may append. Every method may raise `OSError`.

    A tree that is not there yet is empty for a reader.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._folder = folder
        self._read_only = read_only
        self._files: list[int] = []
        if not read_only:
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        while ((level := len(self._files)) == 0 and not read_only) or (folder / str(level)).exists():
            self._open(level)
        self._sizes = [os.fstat(fd).st_size // HASH for fd in self._files]
        if not read_only:
            self.truncate(self._sizes[0])

    @property
    def size(self) -> int:
        """Leaves."""
        return self._sizes[0] if self._sizes else 0

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add leaves' hashes."""
        self._extend(0, leaves)

    def truncate(self, size: int) -> None:
        """Keep the first `size` leaves, and make the levels above agree with them."""
        for level in range(len(self._files)):
            keep = size >> (_BITS * level)
            os.ftruncate(self._files[level], min(keep, self._sizes[level]) * HASH)
            self._sizes[level] = min(keep, self._sizes[level])
        level = 0
        while self._sizes[level] >= _TILE:
            known = self._sizes[level + 1] if level + 1 < len(self._sizes) else 0
            missing = range(known, self._sizes[level] >> _BITS)
            self._put(level + 1, [self.complete(_BITS * (level + 1), index, below=True) for index in missing])
            level += 1

    def remake(self) -> None:
        """Make the levels above the leaves anew."""
        for level in range(1, len(self._files)):
            os.ftruncate(self._files[level], 0)
            self._sizes[level] = 0
        self.truncate(self.size)

    def sync(self) -> None:
        """Return when everything is on stable storage, names too: what retention removes can't be hashed again."""
        for fd in self._files:
            sync_file(fd)
        for folder in (self._folder, self._folder.parent):
            sync_folder(folder)

    def leaf(self, index: int) -> bytes:
        """Return the hash of leaf `index`."""
        return self._read(0, index, 1)[0]

    def leaves(self, begin: int, count: int) -> list[bytes]:
        """Return the hashes of the leaves [begin, begin + count)."""
        return self._read(0, begin, count)

    def mapped(self) -> mmap.mmap:
        """Return all leaves' hashes, 32 bytes each, as they lie in the file. There must be one."""
        return mmap.mmap(self._files[0], self._sizes[0] * HASH, prot=mmap.PROT_READ)

    def complete(self, level: int, index: int, *, below: bool = False) -> bytes:
        """Return the hash of the `index`-th subtree of 2**level leaves; `below`: out of the level below, not as stored."""
        stored, up = divmod(level, _BITS)
        if below:
            stored, up = stored - 1, _BITS
        hashes = self._read(stored, index << up, 1 << up)
        while len(hashes) > 1:
            hashes = merkle.halve(hashes)
        return hashes[0]

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` leaves."""
        return merkle.root(self, size)

    def close(self) -> None:
        """Let go of the files. A second call does nothing."""
        for fd in self._files:
            os.close(fd)
        self._files.clear()

    def _extend(self, level: int, hashes: Sequence[bytes]) -> None:
        before = self._sizes[level] if level < len(self._sizes) else 0
        self._put(level, hashes)
        first, after = before >> _BITS, self._sizes[level] >> _BITS
        if after > first:
            up = self._read(level, first << _BITS, (after - first) << _BITS)
            for _ in range(_BITS):
                up = merkle.halve(up)
            self._extend(level + 1, up)

    def _put(self, level: int, hashes: Sequence[bytes]) -> None:
        if level == len(self._files):
            self._open(level)
            self._sizes.append(0)
        data = b"".join(hashes)
        if os.pwrite(self._files[level], data, self._sizes[level] * HASH) != len(data):
            raise OSError("short write")
        self._sizes[level] += len(hashes)

    def _open(self, level: int) -> None:
        flags = os.O_RDONLY if self._read_only else os.O_RDWR | os.O_CREAT
        self._files.append(os.open(self._folder / str(level), flags, FILE_MODE))

    def _read(self, level: int, begin: int, count: int) -> list[bytes]:
        data = os.pread(self._files[level], count * HASH, begin * HASH) if level < len(self._files) else b""
        if len(data) != count * HASH:
            raise IndexError("the tree is shorter")
        return [data[at : at + HASH] for at in range(0, len(data), HASH)]
