"""Days as people at work count them: numbers since 1970 in one time zone, and sets of them as bitmaps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ConfigurationError
from munjigi.policy.calendar import zone_of

DAY: Final = 86_400 * SECOND
PIECE: Final = 900 * SECOND  # offsets of zones have been whole quarters of an hour since 1972
_EPOCH: Final = date(1970, 1, 1)


class Days:
    """The days of a zone (IANA name). Raises `ConfigurationError` when this machine does not know it."""

    def __init__(self, zone: str) -> None:
        self.zone: Final = zone
        self._known: dict[int, int] = {}
        self._zone: Final = _known(zone)

    def of(self, at: int) -> int:
        """Return the day on which `at` (UTC nanoseconds) is."""
        return self.of_piece(at // PIECE)

    def of_piece(self, piece: int) -> int:
        """Return the day of a quarter of an hour, by its number since 1970."""
        day = self._known.get(piece)
        if day is None:
            if len(self._known) > 1 << 17:  # four years of pieces
                self._known.clear()
            local = datetime.fromtimestamp(piece * PIECE // SECOND, self._zone)
            day = self._known[piece] = (local.date() - _EPOCH).days
        return day

    def begin(self, day: int) -> int:
        """Return the first moment of a day, UTC nanoseconds."""
        local = datetime.combine(_EPOCH + timedelta(days=day), time(), self._zone)
        return int(local.timestamp()) * SECOND


def _known(zone: str) -> tzinfo:
    found = UTC if zone == "UTC" else zone_of(zone)
    if found is None:
        raise ConfigurationError(
            "ZONE_UNKNOWN", "This machine does not know the time zone in which use is counted; install tzdata."
        )
    return found


def bitmap(days: Iterable[int], base: int) -> int:
    """Return the bitmap of days that are not before `base`, which is bit 0."""
    found = 0
    for day in days:
        found |= 1 << (day - base)
    return found


def last_of(days: int, base: int) -> int:
    """Return the last day of a bitmap that has one."""
    return base + days.bit_length() - 1


def before(days: int, base: int, day: int) -> int:
    """Return the bitmap without `day` and what comes after it."""
    return days & ((1 << (day - base)) - 1) if day > base else 0
