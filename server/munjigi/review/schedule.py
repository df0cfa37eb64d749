"""When a kind of review is due: on the first working day on or after a day of each period's first month, by the calendar of the policy.

A pure function of the moment. After a downtime the newest moment that has passed counts, once; those before it are not made up for.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from munjigi.kernel.clock import SECOND
from munjigi.policy.calendar import Calendar
from munjigi.review.terms import zone_in

MONTHS: Final = {"monthly": 1, "quarterly": 3, "half_yearly": 6, "yearly": 12}
OPENS_AT: Final = 9  # o'clock: people read of it in the morning of a working day
CLOSES_AT: Final = 17
_SATURDAY: Final = 5


def last_due(every: str, day: int, calendar: Calendar, now: int) -> int:
    """Return the newest moment, not after `now` (UTC nanoseconds), at which a review was due.

    `every` is a key of `MONTHS`, `day` that of the month, 1 to 31: a shorter month's last day. Raises `Unavailable` where this machine
    doesn't know the calendar's zone.
    """
    year, month = _period(every, now, calendar)
    while (at := _moment(year, month, day, calendar)) > now:
        year, month = _moved(year, month, -MONTHS[every])
    return at


def next_due(every: str, day: int, calendar: Calendar, now: int) -> int:
    """Return the first moment after `now` (UTC nanoseconds) at which a review is due. Raises what `last_due` raises."""
    year, month = _period(every, now, calendar)
    year, month = _moved(year, month, -MONTHS[every])  # holidays may push a period's day beyond its end
    while (at := _moment(year, month, day, calendar)) <= now:
        year, month = _moved(year, month, MONTHS[every])
    return at


def at_work(calendar: Calendar, now: int) -> bool:
    """Tell whether people are at work at `now` (UTC nanoseconds): what takes access away by itself does so while somebody sees it."""
    local = datetime.fromtimestamp(now // SECOND, zone_in(calendar))
    return OPENS_AT <= local.hour < CLOSES_AT and _working(local.date(), calendar) == local.date()


def _period(every: str, now: int, calendar: Calendar) -> tuple[int, int]:
    """Return year and first month of the period in which `now` lies, where the calendar's people are."""
    local = datetime.fromtimestamp(now // SECOND, zone_in(calendar))
    return local.year, (local.month - 1) // MONTHS[every] * MONTHS[every] + 1


def _moved(year: int, month: int, months: int) -> tuple[int, int]:
    years, rest = divmod(month - 1 + months, 12)
    return year + years, rest + 1


def _moment(year: int, month: int, day: int, calendar: Calendar) -> int:
    after = _moved(year, month, 1)
    length = (date(*after, 1) - date(year, month, 1)).days
    return _opening(_working(date(year, month, min(day, length)), calendar), calendar)


def _working(day: date, calendar: Calendar) -> date:
    """Return the first working day that is not before `day`. In a year whose holidays are not known, only weekends are free."""
    while day.weekday() >= _SATURDAY or day in calendar.holidays:
        day += timedelta(days=1)
    return day


def _opening(day: date, calendar: Calendar) -> int:
    zone = zone_in(calendar)
    return int(datetime(day.year, day.month, day.day, OPENS_AT, tzinfo=zone).timestamp()) * SECOND
