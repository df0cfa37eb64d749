"""A key file is made whole or not at all, is readable by its owner only, and is never printed.

A key that others could read is refused, not repaired: by then it may have been copied (promise P10).
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from munjigi.kernel.errors import ConfigurationError
from munjigi.kernel.references import KEY_BYTES

_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_LONGEST: Final = 64 * 1024


def create_once(path: Path, content: bytes) -> bool:
    """Make the file with mode 0600 unless it exists; tell whether this call made it.

    The content is synced under another name first and then linked, so that two processes agree on one
    key and a crash leaves no half key. The folder is made with mode 0700 where it is missing.
    Raises `ConfigurationError` when the folder is unsafe or cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_open_folder(path.parent)
        if os.path.lexists(path):
            return False
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                return False
        finally:
            draft.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigurationError(
            "KEY_FILE_UNWRITABLE",
            f"{path} cannot be made ({error.strerror}); make its folder writable for the user that runs munjigi.",
        ) from None
    return True


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` in the place of the file, durably and as a whole.

    Raises `ConfigurationError` when the folder cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigurationError(
            "KEY_FILE_UNWRITABLE",
            f"{path} cannot be written ({error.strerror}); let the user that runs munjigi write its folder.",
        ) from None


def read_secret(path: Path, size: int = 0) -> bytes:
    """Read a key file of exactly `size` bytes (0: any size up to 64 KiB).

    Raises `ConfigurationError` that names the file and the fix when it is missing, is not a plain file of
    this user, is accessible to group or others, or has another size.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise ConfigurationError("KEY_FILE_MISSING", f"{path} is missing; make it with `munjigi init`, or restore it.") from None
    except OSError as error:
        raise ConfigurationError(
            "KEY_FILE_UNREADABLE", f"{path} cannot be read ({error.strerror}); run as the user that runs munjigi."
        ) from None
    try:
        _refuse_exposed(path, os.fstat(descriptor))
        content = os.read(descriptor, _LONGEST + 1)
    finally:
        os.close(descriptor)
    if (size and len(content) != size) or not 0 < len(content) <= _LONGEST:
        wanted = f"exactly {size} bytes" if size else "a key"
        raise ConfigurationError("KEY_FILE_INVALID", f"{path} must hold {wanted}; restore it from a backup.")
    return content


def _refuse_exposed(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError("KEY_FILE_UNREADABLE", f"{path} is not a plain file; put the key itself there.")
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise ConfigurationError(
            "KEY_FILE_FOREIGN", f"{path} belongs to another user; run as the user that runs munjigi, or `chown` it."
        )
    if status.st_mode & 0o077:
        raise ConfigurationError(
            "KEY_FILE_EXPOSED",
            f"{path} is accessible to others; `chmod 600 {path}`, and replace the key if it may have been read.",
        )


def member_key(path: Path, *, create: bool = True) -> bytes:
    """Return the 32 bytes that key member references; make them on first start.

    `create=False` is for a key that is shared by instances: a new one would part the references.
    Raises `ConfigurationError` as `read_secret` does.
    """
    return _key(path, create=create)


def names_key(path: Path, *, create: bool = True) -> bytes:
    """Return the 32 bytes that key the digests of unknown names; make them on first start.

    Raises `ConfigurationError` as `read_secret` does.
    """
    return _key(path, create=create)


def _key(path: Path, *, create: bool) -> bytes:
    if create:
        create_once(path, secrets.token_bytes(KEY_BYTES))
    return read_secret(path, KEY_BYTES)


def _refuse_open_folder(folder: Path) -> None:
    # Who may write the folder may swap the key.
    if folder.stat().st_mode & 0o022:
        raise ConfigurationError("KEY_FOLDER_EXPOSED", f"{folder} is writable for others; `chmod 700 {folder}`.")


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
