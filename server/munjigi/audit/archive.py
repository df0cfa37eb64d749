"""An archive: closed segments, packed, in a folder elsewhere, for example mounted object storage. Written once, never changed.

Where nothing is mounted the folder is an empty one on the wrong disk. So an archive has an id, in a file of its own, and the
state folder remembers it: without it nothing is copied, and nothing counts as archived.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from munjigi.audit import files, packed, segment
from munjigi.audit.ports import LogSource
from munjigi.audit.reader import JournalReader
from munjigi.kernel.errors import Corruption, Unavailable
from munjigi.kernel.ids import new_log_id

MARKER: Final = "munjigi-archive"
_PIECE: Final = 1 << 20  # bytes


class Archive:
    """The archive in `folder`; `known` is the file of the state folder that remembers its id."""

    def __init__(self, folder: Path, known: Path) -> None:
        self.folder = folder
        self._known = known

    def of_log(self, log_id: str) -> Path:
        """Return where a log's segments lie."""
        return self.folder / log_id

    def begin(self, randomness: bytes) -> None:
        """Make it the archive of this installation, if it has none yet; `randomness` (13 bytes or more) becomes the id of a new one.

        Raises `Unavailable` when it is not there, `OSError`.
        """
        if not self._known.exists():
            there = _read(self.folder / MARKER)
            if not there:
                there = new_log_id(randomness)
                files.write_file(self.folder / MARKER, there.encode("ascii") + b"\n")
            files.write_file(self._known, there.encode("ascii") + b"\n")
        self.require()

    def require(self) -> None:
        """Make sure that it is there. Raises `Unavailable` `ARCHIVE_AWAY`."""
        known = _read(self._known)
        if not known or _read(self.folder / MARKER) != known:
            raise Unavailable(
                "ARCHIVE_AWAY",
                f"{self.folder} is not the archive that this installation writes to; mount it again. To begin another one, remove "
                f"{self._known}.",
            )

    def lists(self, folder: Path, name: str) -> bool:
        """Tell whether there is a file for a segment of the log in `folder`, whatever it holds."""
        return (self.of_log(folder.name) / (name + packed.SUFFIX)).exists()

    def has(self, path: Path) -> bool:
        """Tell whether the packed segment `path` of a log is here, byte by byte.

        Raises `Unavailable` when the archive is away, `Corruption` when another file is in its place, `OSError`.
        """
        self.require()
        target = self.of_log(path.parent.name) / path.name
        if not target.exists():
            return False
        if digest(target) != digest(path):
            raise _different(target)
        return True

    def put(self, folder: Path, name: str) -> bool:
        """Copy a packed segment of the log in `folder`, durable and read back; tell whether it was lacking.

        A file that is there already is not read again, only measured. Raises as `has`.
        """
        self.require()
        path = folder / (name + packed.SUFFIX)
        folder = self.of_log(folder.name)
        target = folder / path.name
        if target.exists():
            if target.stat().st_size != path.stat().st_size:
                raise _different(target)
            return False
        if not folder.exists():
            files.make_folder(folder)
        scratch = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with path.open("rb") as source, scratch.open("xb") as copy:
                shutil.copyfileobj(source, copy, _PIECE)
                copy.flush()
                os.fsync(copy.fileno())
                if hasattr(os, "posix_fadvise"):
                    os.posix_fadvise(
                        copy.fileno(), 0, 0, os.POSIX_FADV_DONTNEED
                    )  # read back what is there, not what is in memory
            if digest(scratch) != digest(path):
                raise _different(target)
            scratch.chmod(files.FILE_MODE)
            scratch.rename(target)
            files.sync_folder(folder)
        finally:
            scratch.unlink(missing_ok=True)
        return True

    def tidy(self, log_id: str) -> None:
        """Remove what a copy that was interrupted left behind. Raises `OSError`."""
        for scratch in self.of_log(log_id).glob(".*.tmp"):
            scratch.unlink(missing_ok=True)


def whole(folder: Path, name: str) -> bool:
    """Tell whether a closed segment is packed, and its plain file gone: then it stays as it is. Raises `OSError`."""
    return not (folder / name).exists() and (folder / (name + packed.SUFFIX)).exists()


def require_whole(folder: Path, name: str, following: str) -> None:
    """Unpack a packed segment and hold it against its own header and the next one's: damage is not to be archived.

    Raises `Corruption`, `OSError`.
    """
    path = folder / (name + packed.SUFFIX)
    after = segment.read_header(folder / following)
    if after is None or segment.reach_of(path) != (after.previous_first, after.previous_size, after.first_index, after.chain):
        raise Corruption("JOURNAL_CORRUPT", f"{path} is not what was written and is not archived; run `munjigi audit verify`.")


def digest(path: Path) -> bytes:
    """Return a file's SHA-256. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _read(path: Path) -> str:
    """Read an id; empty when there is none."""
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _different(target: Path) -> Corruption:
    return Corruption(
        "ARCHIVE_DIFFERS",
        f"{target} is not the segment of the journal that has its name. It is left as it is, and nothing is removed; find out who "
        "writes to the archive.",
    )


class ArchivedLog:
    """A log whose removed records are read in an archive: all of it that evidence needs."""

    def __init__(self, log: LogSource, folder: Path) -> None:
        self._log = log
        self._archived = JournalReader(folder)

    def read(self, from_index: int, limit: int) -> list[tuple[int, bytes]]:
        """Return records, as a `LogSource` does."""
        return (self._archived if from_index < self._log.first() else self._log).read(from_index, limit)

    def close(self) -> None:
        """Let go of the log and of the archive. A second call does nothing."""
        self._log.close()
        self._archived.close()


def archived(log: LogSource, archive: Path | None) -> LogSource | ArchivedLog:
    """Return a log with what an archive has of it, if there is one and it has any."""
    folder = archive / log.log_id if archive is not None else None
    return ArchivedLog(log, folder) if folder is not None and folder.is_dir() else log
