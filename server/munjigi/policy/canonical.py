"""The one byte form of a policy home: what its revision is the hash of, and what is kept of it.

`munjigi policy 1` NUL, then for each file, sorted by path: length of the path (8 bytes, big-endian), path (UTF-8),
length of the content (8 bytes), content. SHA-256 of these bytes, in hex, is the revision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from munjigi.kernel.errors import Corruption

MAGIC: Final = b"munjigi policy 1\x00"
_LENGTH: Final = 8


def canonical_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return the byte form of files by path; the order of the mapping does not matter."""
    parts = [MAGIC]
    for path, content in sorted(files.items()):
        for part in (path.encode("utf-8", "surrogatepass"), content):
            parts += (len(part).to_bytes(_LENGTH), part)
    return b"".join(parts)


def revision_of(files: Mapping[str, bytes]) -> str:
    """Return the revision of files by path: 64 hex digits."""
    return hashlib.sha256(canonical_bytes(files)).hexdigest()


def files_of(stored: bytes) -> dict[str, bytes]:
    """Return the files of a byte form.

    Raises `Corruption` when the bytes are not the form of any files.
    """
    if not stored.startswith(MAGIC):
        raise _corrupt()
    parts: list[bytes] = []
    at = len(MAGIC)
    while at < len(stored):
        start = at + _LENGTH
        at = start + int.from_bytes(stored[start - _LENGTH : start])
        if start > len(stored) or at > len(stored):
            raise _corrupt()
        parts.append(stored[start:at])
    if len(parts) % 2:
        raise _corrupt()
    try:
        files = {path.decode("utf-8", "surrogatepass"): content for path, content in zip(parts[::2], parts[1::2], strict=True)}
    except UnicodeDecodeError:
        raise _corrupt() from None
    if canonical_bytes(files) != stored:
        raise _corrupt()
    return files


def _corrupt() -> Corruption:
    return Corruption("POLICY_BUNDLE_CORRUPT", "A kept policy bundle is damaged; restore it from the backup or from git.")
