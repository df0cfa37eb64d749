"""What of Elasticsearch is past its retention: whole indices, noted durably before they go.

A record of a noted period is neither missed there nor sent again, whatever becomes of shipping's cursors. Losing the note is
harmless: what the logs still have is sent again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from munjigi.adapters.elasticsearch.documents import Naming
from munjigi.audit import files
from munjigi.kernel.errors import Unavailable

_NAME: Final = "expired.json"
_DAY: Final = 86_400_000_000_000  # nanoseconds

Period = tuple[int, int]  # UTC nanoseconds, half-open


class Expired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Periods whose indices were deleted, in order and apart; and after how many days the cluster itself deletes one, 0 for never."""

    periods: tuple[Period, ...] = ()
    keep_days: int = 0

    def covers(self, time: int, now: int) -> bool:
        """Tell whether a record of `time` may be gone at `now`."""
        if self.keep_days and time < now - self.keep_days * _DAY:
            return True
        number = bisect_right(self.periods, (time, 1 << 63)) - 1
        return number >= 0 and time < self.periods[number][1]

    def until(self, now: int) -> int:
        """Return since when nothing may be gone at `now` (UTC nanoseconds); 0: nothing ever was."""
        by_age = now - self.keep_days * _DAY if self.keep_days else 0
        return max([by_age, *(end for _, end in self.periods)])


_decoder: Final = msgspec.json.Decoder(Expired)


def expired(folder: Path) -> Expired:
    """Return what is noted in the folder of shipping; nothing when that can't be read."""
    try:
        return _decoder.decode((folder / _NAME).read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Expired()


def note(folder: Path, periods: Iterable[Period] = (), keep_days: int | None = None) -> None:
    """Add periods, or change the days, durably. Raises `Unavailable`."""
    known = expired(folder)
    days = known.keep_days if keep_days is None else keep_days
    try:
        files.write_file(folder / _NAME, msgspec.json.encode(Expired(_joined([*known.periods, *periods]), days)))
    except OSError as error:
        raise Unavailable(
            "SHIPPING_STATE_UNUSABLE", f"{folder / _NAME} can't be used; look at the disk and who owns the state folder."
        ) from error


def due(names: Sequence[str], naming: Naming, cut: int, held: Callable[[int, int], bool]) -> dict[str, Period]:
    """Return the indices whose whole period lies before `cut`, and of which no moment is held, with their periods.

    `held` tells whether a legal hold covers any of the time from its first argument to its second, both included.
    """
    periods = {name: naming.period_of(name) for name in names}
    return {
        name: period
        for name, period in periods.items()
        if period is not None and period[1] <= cut and not held(period[0], period[1] - 1)
    }


def _joined(periods: Iterable[Period]) -> tuple[Period, ...]:
    found: list[Period] = []
    for begin, end in sorted(periods):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return tuple(found)
