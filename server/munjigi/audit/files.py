"""What the journal asks of a file system, and how its refusals become our errors."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from munjigi.kernel.errors import AuditUnavailable, ConfigurationError, Corruption

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_UNSAFE: Final = 0o077
_AT_THE_END: Final = -1  # "the current position", which O_APPEND keeps at the end
_UNKNOWN: Final = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
_SETTINGS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Device(Protocol):
    """The call on which promise P1 rests; a port, so that a test can have a disk that fails."""

    def append(self, fd: int, data: memoryview) -> int:
        """Append bytes to a file and return how many were taken; these, and its size, are on stable storage. Raises `OSError`."""
        ...


class SystemDevice:
    """The machine's disk."""

    def append(self, fd: int, data: memoryview) -> int:
        """Append bytes and sync them, in one call where there is one: a thread that makes two waits for the interpreter between."""
        try:
            taken = os.pwritev(fd, (data,), _AT_THE_END, os.RWF_DSYNC)
        except (AttributeError, OSError) as error:  # no such call, or (Linux in a sandbox) none that syncs
            if isinstance(error, OSError) and error.errno not in _UNKNOWN:
                raise
            taken = os.write(fd, data)
            sync_file(fd)
        else:
            require_kept(fd)
        return taken


if sys.platform == "darwin":

    def sync_file(fd: int) -> None:
        """Flush down to the platter: fsync alone leaves the bytes in the drive's cache on this system. Raises `OSError`."""
        import fcntl  # noqa: PLC0415 -- does not exist everywhere

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)

else:

    def sync_file(fd: int) -> None:
        """Flush a file's bytes and size, and see that they are part of the file. Raises `OSError`."""
        os.fdatasync(fd)
        require_kept(fd)


def require_kept(file: int | Path) -> None:
    """Refuse after a sync that returned, if the file system had given up before. Raises `OSError`.

    For some milliseconds after ext4 aborts its journal (a damaged disk) a sync may return although what it wrote is in no file: the
    block and the size were never recorded. Only then does ext4 set the flag by which calls fail. An abort that comes after
    this look is too late to harm what was synced. On other file systems this finds nothing.
    """
    # Setting times asks the journal for a handle. An aborted one sets the flag then, but tells nobody: the second call meets it.
    os.utime(file)
    os.utime(file)


def write_all(fd: int, data: bytes, write: Callable[[int, memoryview], int] = os.write) -> None:
    """Write all of `data`, however many bytes one call takes.

    Raises `OSError` when the disk takes no more.
    """
    rest = memoryview(data)
    while rest:
        taken = write(fd, rest)
        if taken <= 0:
            raise OSError(errno.EIO, "the disk took no bytes")
        rest = rest[taken:]


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises `OSError`."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_file(path: Path, data: bytes) -> None:
    """Put a whole file in place at once: it is there with these bytes after a crash, or it is as before.

    Raises `OSError`.
    """
    scratch = path.with_name(path.name + ".tmp")
    with suppress(FileNotFoundError):
        scratch.unlink()
    fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    scratch.rename(path)
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter, and its name durable. Raises `OSError`."""
    folder.mkdir(FOLDER_MODE, exist_ok=True)
    sync_folder(folder.parent)


def require_private(path: Path) -> None:
    """Refuse a journal file or folder that others than its owner can reach.

    Raises `ConfigurationError` naming the fix, `OSError` when `path` can't be looked at.
    """
    require_private_mode(path, path.stat().st_mode)


def require_private_mode(path: Path, mode: int) -> None:
    """Refuse a file or folder of this mode, as `require_private` does."""
    if mode & _UNSAFE:
        fix = "700" if stat.S_ISDIR(mode) else "600"
        raise ConfigurationError("JOURNAL_PERMISSIONS", f"{path} can be reached by other users; run `chmod {fix} {path}`.")


@contextmanager
def opening(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses while a journal is opened into an error of our tree.

    Raises `ConfigurationError` for missing rights, `Corruption` for a missing file, `AuditUnavailable`
    for everything else (no space, a failing disk).
    """
    try:
        yield
    except FileNotFoundError as error:
        raise Corruption(
            "JOURNAL_FILE_MISSING", f"{folder} lacks a file it had; put this state folder aside and restore a backup."
        ) from error
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "EIO")
        if error.errno in _SETTINGS:
            raise ConfigurationError(
                "JOURNAL_NOT_WRITABLE",
                f"{folder} can't be written ({name}); make MUNJIGI_STATE_DIR a writable folder "
                "that belongs to the user who runs munjigi.",
            ) from error
        raise AuditUnavailable(
            f"The journal in {folder} can't be opened ({name}); free space on its disk or repair it."
        ) from error
