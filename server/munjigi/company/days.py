"""What kind of day it is, and how busy that makes whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, NamedTuple

from munjigi.kernel.clock import SECOND
from munjigi.policy.calendar import Calendar, zone_of

HOUR: Final = 3600 * SECOND
MINUTE: Final = 60 * SECOND
Kind = Literal["workday", "saturday", "sunday", "holiday"]

# How much there is to do for who has duty, beside an ordinary workday.
_CUSTOMERS: Final[dict[Kind, float]] = {"workday": 1.0, "saturday": 0.7, "sunday": 0.55, "holiday": 0.45}
# Which part of those with shifts has duty.
_ON_DUTY: Final[dict[Kind, float]] = {"workday": 1.0, "saturday": 0.3, "sunday": 0.2, "holiday": 0.15}
_MONDAY: Final = 1.2
_CLOSING_DAYS: Final = 5  # the last workdays of a quarter
_CLOSING: Final = 1.8


class Day(NamedTuple):
    """A day of the company. `begins` is its midnight there (UTC nanoseconds); `closing`: among the last workdays of a quarter."""

    date: date
    kind: Kind
    begins: int
    closing: bool

    @property
    def calls(self) -> float:
        """How much customers want, beside an ordinary workday."""
        return _CUSTOMERS[self.kind] * (_MONDAY if self.kind == "workday" and self.date.weekday() == 0 else 1.0)

    @property
    def closing_rush(self) -> float:
        """How much more there is to count and to look into."""
        return _CLOSING if self.closing else 1.0

    @property
    def on_duty(self) -> float:
        """Which part of the teams with shifts has duty."""
        return _ON_DUTY[self.kind]


def days(first: date, count: int, calendar: Calendar) -> Iterator[Day]:
    """Yield `count` days from `first` on, as the calendar's zone has them; without a known zone they are UTC's."""
    zone = zone_of(calendar.zone) or UTC
    for offset in range(count):
        day = first + timedelta(days=offset)
        midnight = datetime.combine(day, time(), zone)
        yield Day(day, _kind(day, calendar), int(midnight.timestamp()) * SECOND, _closes(day, calendar))


def uncovered(first: date, count: int, calendar: Calendar) -> list[int]:
    """Return the years of these days for which the calendar knows no holiday: to it, they have none."""
    years = {(first + timedelta(days=offset)).year for offset in range(count)}
    return sorted(years - {each.year for each in calendar.holidays})


def _kind(day: date, calendar: Calendar) -> Kind:
    if day in calendar.holidays:
        return "holiday"
    return "workday" if day.weekday() < 5 else "saturday" if day.weekday() == 5 else "sunday"


def _closes(day: date, calendar: Calendar) -> bool:
    """Tell whether a workday is one of the last ones of its quarter."""
    if day.month % 3 or _kind(day, calendar) != "workday":
        return False
    left, later = 0, day
    while later.month == day.month:
        left += _kind(later, calendar) == "workday"
        later += timedelta(days=1)
    return left <= _CLOSING_DAYS
