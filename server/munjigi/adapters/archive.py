"""An archive: files in one file, complete under its name or not there; what is read out of it is what was written.

A tar file in Zstandard (RFC 8878), a frame a member, so that damage shows in the member that has it; `zstd -dc FILE | tar -t`
lists it. The last member but one is a manifest with each file's SHA-256, the last one its signature.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Final, NamedTuple, Self

from munjigi.audit.copying import Piece
from munjigi.audit.files import FILE_MODE, sync_folder
from munjigi.kernel.errors import Corruption, Unavailable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
_LEVEL: Final = 3  # of Zstandard: most of it was packed before
_BLOCK: Final = 1 << 20  # bytes
_FRAME: Final = 2  # ZstdFile.FLUSH_FRAME, whose type says `int` only
_NAME: Final = re.compile(r"[a-z]{1,16}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){1,4}\Z|[a-z]{1,16}\.[a-z]{1,8}\Z")
Progress = Callable[[str, int], None]


class Listed(NamedTuple):
    """A file of an archive: its name, its size in bytes, and its SHA-256 (hex)."""

    name: str
    size: int
    sha256: str


class ArchiveWriter:
    """Writes under another name until `finish`; leaving the block without it leaves nothing."""

    def __init__(self, path: Path, time: int, progress: Progress = lambda _name, _size: None) -> None:
        """Begin. `time` is UTC nanoseconds; `progress` is told each file and its bytes.

        Raises `Unavailable` when the file can't be made, or is there already.
        """
        self._path = path
        self._scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._time = time // 1_000_000_000
        self._progress = progress
        self._listed: list[Listed] = []
        if path.exists():
            raise Unavailable("BACKUP_EXISTS", f"{path} is there already; give another name, and remove old backups yourself.")
        try:
            with suppress(FileNotFoundError):
                self._scratch.unlink()
            self._fd = os.open(self._scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        except OSError as error:
            raise _unwritable(path, error) from error
        self._file = os.fdopen(self._fd, "wb")
        options: dict[int, int] = {
            zstd.CompressionParameter.compression_level: _LEVEL,
            zstd.CompressionParameter.checksum_flag: 1,
        }
        self._packed = zstd.ZstdFile(self._file, "w", options=options)
        self._tar = tarfile.open(fileobj=self._packed, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115 -- closed by finish or __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, ValueError):
            self._file.close()
        with suppress(FileNotFoundError):
            self._scratch.unlink()

    def add(self, piece: Piece) -> Listed:
        """Add a file, and close it. Raises `Unavailable` when the disk refuses, or the file became shorter."""
        digest = hashlib.sha256()
        left = piece.size

        class _Counted(io.RawIOBase):
            def read(self, size: int = -1) -> bytes:
                nonlocal left
                data = piece.content.read(min(size, left) if size >= 0 else left)
                digest.update(data)
                left -= len(data)
                return data

        info = tarfile.TarInfo(piece.name)
        info.size, info.mode, info.mtime = piece.size, FILE_MODE, self._time
        try:
            with piece.content:
                self._tar.addfile(info, _Counted())
            self._packed.flush(_FRAME)
        except OSError as error:
            if left and error.errno is None:  # tarfile's own word for a file that ended early
                raise Unavailable(
                    "BACKUP_DISTURBED", f"{piece.name} was cut while it was copied; run the backup again."
                ) from None
            raise _unwritable(self._path, error) from error
        listed = Listed(piece.name, piece.size, digest.hexdigest())
        self._listed.append(listed)
        self._progress(piece.name, piece.size)
        return listed

    @property
    def listed(self) -> tuple[Listed, ...]:
        """What was added."""
        return tuple(self._listed)

    def finish(self) -> None:
        """Put the archive in place, durably. Raises `Unavailable` when the disk refuses."""
        try:
            self._tar.close()
            self._packed.close()
            self._file.flush()
            os.fsync(self._fd)
            self._file.close()
            os.link(self._scratch, self._path)  # and not over one that came meanwhile
            self._scratch.unlink()
            sync_folder(self._path.parent)
        except OSError as error:
            raise _unwritable(self._path, error) from error


class Member(NamedTuple):
    """A file that is read. `copy` writes it somewhere and returns what it was."""

    name: str
    size: int
    copy: Callable[[IO[bytes] | None], Listed]


def members(path: Path) -> Iterator[Member]:
    """Read an archive, member by member; each must be copied before the next is asked for.

    Raises `Corruption` `BACKUP_DAMAGED`, naming the member, for whatever is not a plain file under a plain name, comes twice, or
    can't be read; `Unavailable` when there is no such archive.
    """
    seen = [""]
    try:
        with path.open("rb") as file:
            rest = b""
            while True:
                frame = _Frame(file, rest)
                # Until a frame was read to its end, the name that it gives may be damaged, too.
                at = f"what follows {seen[-1]}" if seen[-1] else "its beginning"
                info = _header(path, seen, frame, at)
                if info is None:
                    break
                seen.append(info.name)
                yield Member(info.name, info.size, partial(_copy, path, info, frame, at))
                rest = frame.end(path, at)
            if frame.end(path, "its end") or file.read(1):
                raise damaged(path, "its end", "something follows it")
    except FileNotFoundError:
        raise Unavailable("BACKUP_UNREADABLE", f"There is no {path}.") from None
    except OSError as error:
        raise Unavailable("BACKUP_UNREADABLE", f"{path} can't be read ({error.strerror}); look at its disk and owner.") from error


class _Frame:
    """The plain bytes of one Zstandard frame: one member with its header, or the end."""

    def __init__(self, file: IO[bytes], begin: bytes) -> None:
        self._file = file
        self._unpacker = zstd.ZstdDecompressor()
        self._fresh = begin

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, fewer at the end of the frame. Raises `ZstdError`, `EOFError`."""
        found = b""
        while len(found) < size and not self._unpacker.eof:
            if self._unpacker.needs_input and not self._fresh:
                self._fresh = self._file.read(_BLOCK)
                if not self._fresh:
                    raise EOFError
            fresh, self._fresh = self._fresh, b""
            found += self._unpacker.decompress(fresh, size - len(found))
        return found

    def end(self, path: Path, name: str) -> bytes:
        """Return what was read of the next frame; only zeros may be left in this one. Raises `Corruption`."""
        try:
            while data := self.read(_BLOCK):
                if data.strip(b"\0"):
                    raise damaged(path, name, "something follows it")
        except (zstd.ZstdError, EOFError):
            raise damaged(path, name, "it can't be read") from None
        return self._unpacker.unused_data


def _header(path: Path, seen: list[str], frame: _Frame, at: str) -> tarfile.TarInfo | None:
    """Read the header of the member that stands `at` some place; None at the end of the archive."""
    try:
        data = frame.read(tarfile.BLOCKSIZE)
        info = tarfile.TarInfo.frombuf(data, "ascii", "strict") if data.strip(b"\0") else None
    except (tarfile.TarError, zstd.ZstdError, EOFError, ValueError):
        raise damaged(path, at, "it can't be read") from None
    if info is None:
        if len(data) < tarfile.BLOCKSIZE or seen[-1] != SIGNATURE:
            raise damaged(path, at, "the end is missing")
        return None
    if info.type != tarfile.REGTYPE or not _NAME.match(info.name) or info.name in seen or info.size < 0:
        raise damaged(path, at, "it is no plain file under a name of ours")
    return info


def _copy(path: Path, info: tarfile.TarInfo, frame: _Frame, at: str, target: IO[bytes] | None) -> Listed:
    digest, left = hashlib.sha256(), info.size
    while left:
        try:
            data = frame.read(min(_BLOCK, left))
        except (zstd.ZstdError, EOFError):
            raise damaged(path, at, "it can't be read") from None
        if not data:
            raise damaged(path, at, "it is shorter than it says")
        digest.update(data)
        left -= len(data)
        if target is not None:
            target.write(data)
    return Listed(info.name, info.size, digest.hexdigest())


def damaged(path: Path, name: str, what: str) -> Corruption:
    """Make the error for an archive that is not what was written."""
    return Corruption("BACKUP_DAMAGED", f"{path}, {name}: {what}. The backup is not what was written; take another one.")


def _unwritable(path: Path, error: OSError) -> Unavailable:
    said = os.strerror(error.errno) if error.errno else type(error).__name__
    return Unavailable("BACKUP_UNWRITABLE", f"{path} can't be written ({said}); free space there, or name another place.")
