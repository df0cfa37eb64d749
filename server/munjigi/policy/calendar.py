"""What a time is to people at work: hour, weekday and holiday in one zone. Time comes in as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from munjigi.kernel.clock import SECOND

DEFAULT_ZONE: Final = "Asia/Seoul"
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE: Final = 60 * SECOND


class Moment(NamedTuple):
    """A time as people at work see it. `hour` is 0 to 23; what is not known is None."""

    hour: int | None
    weekday: str | None
    holiday: bool | None


@dataclass(frozen=True, slots=True)
class Calendar:
    """A time zone (IANA name) and the days that are public holidays there.

    A year without any holiday is not covered: whether one of its days is a holiday is not known.
    """

    zone: str = DEFAULT_ZONE
    holidays: frozenset[date] = frozenset()

    def at(self, now: int) -> Moment:
        """Return what `now` (UTC nanoseconds) is in the zone."""
        return _moment(self, now // MINUTE)  # offsets from UTC are whole minutes


NO_HOLIDAYS: Final = Calendar()


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo | None:
    """Return a zone by IANA name; None when this machine knows no such zone."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None


@lru_cache(maxsize=16)
def _moment(calendar: Calendar, minute: int) -> Moment:
    zone = zone_of(calendar.zone)
    if zone is None:
        return Moment(None, None, None)
    local = datetime.fromtimestamp(minute * 60, zone)
    day = local.date()
    covered = any(each.year == day.year for each in calendar.holidays)
    return Moment(local.hour, WEEKDAYS[day.weekday()], day in calendar.holidays if covered else None)
