"""Legal holds: while one stands, no record of its time is removed. One file a hold, beside the journals.

The marks of the journals name the holds that stand (`mark.py`). So a hold whose file is gone is noticed, however it went:
whoever removes anything asks for `standing`, and gets an error instead of an answer. A hold is in force from before it is
acknowledged until after its release is: file and mark come before its record, and go after that of its release. A mark is
written by its own worker only: a hold that another one's names when it is released keeps its file, marked as released, until
that worker has looked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from munjigi.audit import files, mark
from munjigi.audit.reader import list_logs
from munjigi.kernel.errors import Corruption, Unavailable

MOST: Final = 256  # that stand at once
_SUFFIX: Final = ".json"


class Hold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must be kept: the records of [from_time, to_time), in UTC nanoseconds, 0 for open ends.

    `record` is where its record lies in the log of the worker that took it, as `<log id>-<index>`; empty until that is durable.
    `released` is the record of its release; it does not stand any more then.
    """

    hold_id: str
    from_time: int = 0
    to_time: int = 0
    reason: str
    issuer: str
    employee: str
    request_id: str = ""
    placed_at: int
    record: str = ""
    released: str = ""

    def covers(self, begin: int, end: int) -> bool:
        """Tell whether it covers any of the time from `begin` to `end`, both included."""
        return self.from_time <= end and (not self.to_time or begin < self.to_time)


_decoder: Final = msgspec.json.Decoder(Hold)


class HoldFiles:
    """The folder with the holds of an installation. Every method may raise `Unavailable`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, hold: Hold) -> None:
        """Keep a hold, durably, or another state of it."""
        try:
            files.make_folder(self._folder)
            files.write_file(self._path(hold.hold_id), _pack(hold))
        except OSError as error:
            raise self._unusable() from error

    def remove(self, hold_id: str) -> None:
        """Forget a hold, durably."""
        try:
            self._path(hold_id).unlink(missing_ok=True)
            files.sync_folder(self._folder)
        except OSError as error:
            raise self._unusable() from error

    def standing(self, named: Iterable[str]) -> list[Hold]:
        """Return the holds that stand, oldest first. `named` are the ids that must be among them.

        Raises `Corruption` when one of these is gone, or a file is not what was written.
        """
        found, damaged = self.known()
        if damaged or (gone := sorted(set(named) - found.keys())):
            path = damaged[0] if damaged else self._path(gone[0])
            raise Corruption(
                "HOLD_MISSING",
                f"The legal hold in {path} {'is not what was written' if damaged else 'is gone'}, so nothing is removed. Restore the "
                "file from a backup, or place the hold again as its record says (search for `retention.hold`) and release this one.",
            )
        standing = (each for each in found.values() if not each.released)
        return sorted(standing, key=lambda each: (each.placed_at, each.hold_id))

    def known(self) -> tuple[dict[str, Hold], list[Path]]:
        """Return the holds that can be read, by id, released ones too, and the files that can't."""
        found, damaged = {}, []
        try:
            for path in sorted(self._folder.glob(f"*{_SUFFIX}")) if self._folder.is_dir() else ():
                hold = _parse(path.read_bytes())
                if hold is None or self._path(hold.hold_id) != path:
                    damaged.append(path)
                else:
                    found[hold.hold_id] = hold
        except OSError as error:
            raise self._unusable() from error
        return found, damaged

    def _path(self, hold_id: str) -> Path:
        return self._folder / (hold_id + _SUFFIX)

    def _unusable(self) -> Unavailable:
        return Unavailable("HOLDS_UNUSABLE", f"{self._folder} can't be used; look at the disk and who owns the state folder.")


def named_by_marks(journal: Path) -> set[str]:
    """Return the ids of the holds that the marks of all journals under a folder name. Raises `OSError`."""
    marks = [mark.read(journal / log_id) for log_id in list_logs(journal)]
    return {hold_id for each in marks if each is not None for hold_id in each.holds}


def naming(hold_id: str) -> Callable[[mark.Mark], mark.Mark]:
    """Return the change of a mark that names a hold."""
    return lambda known: replace(known, holds=(*(each for each in known.holds if each != hold_id), hold_id))


def without(hold_id: str) -> Callable[[mark.Mark], mark.Mark]:
    """Return the change of a mark that names a hold no more."""
    return lambda known: replace(known, holds=tuple(each for each in known.holds if each != hold_id))


def _parse(data: bytes) -> Hold | None:
    """Read a file's bytes; None unless every one of them is as it was written."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        hold = _decoder.decode(data.partition(b"\n")[0])
        return hold if _pack(hold) == data else None
    return None


def _pack(hold: Hold) -> bytes:
    line = msgspec.json.encode(hold) + b"\n"
    return line + hashlib.sha256(line).hexdigest().encode() + b"\n"
