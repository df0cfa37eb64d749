"""What shipping remembers of one log, on disk: how far it came, and which records the cluster won't take.

Both lie beside the journal, not in the cluster, and hold no record: a record is in its log, and nothing is copied.
Losing them is harmless: everything is sent again, and what is there already answers so.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from munjigi.audit import files, frames
from munjigi.kernel.errors import Unavailable

# Records of one step of shipping: a stop never waits long, and no record is sent while one so far before it is not stored.
AHEAD: Final = 32_000
_FORMAT: Final = 1


class Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every record below `next_index` is stored or a dead letter; `digest` is SHA-256 of the one before it (hex)."""

    format: int = _FORMAT
    next_index: int = 0
    digest: str = ""


class DeadLetter(msgspec.Struct, frozen=True, array_like=True):
    """A record that the cluster refused, with the status and kind it gave; status 0 takes the refusal back."""

    index: int
    status: int
    kind: str


_cursor: Final = msgspec.json.Decoder(Cursor)
_letter: Final = msgspec.msgpack.Decoder(DeadLetter)


def digest_of(payload: bytes) -> str:
    """Return the digest that a cursor keeps of the record before it."""
    return hashlib.sha256(payload).hexdigest()


class Progress:
    """The two files of one log, in a folder of mode 0700."""

    def __init__(self, folder: Path, log_id: str) -> None:
        self._cursor = folder / f"{log_id}.cursor"
        self._letters = folder / f"{log_id}.dead"

    def cursor(self) -> Cursor:
        """Return how far shipping came; the beginning when the file is missing or damaged. Raises `Unavailable`."""
        try:
            found = _cursor.decode(self._cursor.read_bytes())
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return Cursor()
        except OSError as error:
            raise _unusable(self._cursor) from error
        return found if found.format == _FORMAT and found.next_index >= 0 else Cursor()

    def saved_at(self) -> int:
        """Return when the cursor was moved last, in UTC nanoseconds; 0 while there is none. Raises `Unavailable`."""
        try:
            return self._cursor.stat().st_mtime_ns
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise _unusable(self._cursor) from error

    def save(self, cursor: Cursor) -> None:
        """Replace the cursor, durably. Raises `Unavailable`."""
        try:
            files.write_file(self._cursor, msgspec.json.encode(cursor))
        except OSError as error:
            raise _unusable(self._cursor) from error

    def dead_letters(self) -> dict[int, DeadLetter]:
        """Return the records that were refused and have not been stored since. Raises `Unavailable`."""
        try:
            return _standing(self._letters.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unusable(self._letters) from error

    def letters_version(self) -> tuple[int, int]:
        """Return a value that changes when letters are noted or taken back, by whichever process."""
        try:
            status = self._letters.stat()
        except OSError:
            return 0, 0
        return status.st_size, status.st_mtime_ns

    def add_letters(self, letters: Sequence[DeadLetter]) -> int:
        """Note refusals, or take them back, durably; what is noted already is passed over. Return how many stand.

        Raises `Unavailable`.
        """
        try:
            with _locked(self._letters) as fd:
                data = os.pread(fd, os.fstat(fd).st_size, 0)
                whole = frames.split(data).end
                os.ftruncate(fd, whole)  # a torn end was never counted on: the cursor follows the sync
                known = _standing(data)
                new = [each for each in letters if (each.index in known) == (each.status == 0)]
                files.write_all(fd, b"".join(map(_frame, new)))
                files.sync_file(fd)
                if not data:
                    files.sync_folder(self._letters.parent)
                return len(known) + sum(1 if each.status else -1 for each in new)
        except OSError as error:
            raise _unusable(self._letters) from error


def _frame(letter: DeadLetter) -> bytes:
    return frames.frame(frames.RECORD, msgspec.msgpack.encode(letter))


def _standing(data: bytes) -> dict[int, DeadLetter]:
    """Read letters off a file's bytes; a later one of the same record replaces the earlier, or takes it away."""
    found: dict[int, DeadLetter] = {}
    for frame in frames.split(data).frames:
        letter = _letter.decode(frame.payload)
        if letter.status:
            found[letter.index] = letter
        else:
            found.pop(letter.index, None)
    return found


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open a file for appending, alone: the follower and `munjigi audit reconcile` both write to it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, files.FILE_MODE)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _unusable(path: Path) -> Unavailable:
    return Unavailable("SHIPPING_STATE_UNUSABLE", f"{path} can't be used; look at the disk and who owns the state folder.")
