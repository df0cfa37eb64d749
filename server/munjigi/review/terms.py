"""On which terms a review runs: what its row of reviews.toml says, as moments and shares, fixed when it is opened.

Days are those of the policy's calendar: the same time of day so many days later where its people are, whatever the clocks did between.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import Unavailable
from munjigi.kernel.review import Default, Limits, Schedule
from munjigi.policy.calendar import Calendar, zone_of
from munjigi.review.settings import ReviewRow

_HOUR = 3600 * SECOND


def schedule_of(row: ReviewRow, calendar: Calendar, opened_at: int) -> Schedule:
    """Return when what happens to a review that is opened at `opened_at` (UTC nanoseconds).

    Without `auto_revoke` nothing comes to a default: people have to say. Raises `Unavailable` where this machine lacks the zone.
    """

    def after(days: int) -> int:
        return days_later(calendar, opened_at, days)

    return Schedule(
        apply_from=after(row.notice_days),
        remind_at=tuple(map(after, row.remind_days)),
        escalate_at=after(row.escalate_days),
        office_at=after(row.office_days),
        default_at=after(row.default_days) if row.auto_revoke else 0,
    )


def limits_of(row: ReviewRow) -> Limits:
    """Return how far a run of a review may go."""
    return Limits(row.cap_grants, row.cap_team, row.canary, row.canary_hours * _HOUR, row.spike)


def defaults_of(row: ReviewRow) -> tuple[Default, ...]:
    """Return what undecided items come to; nothing where people have to say."""
    return tuple(Default(*each) for each in row.defaults) if row.auto_revoke else ()


def days_later(calendar: Calendar, at: int, days: int) -> int:
    """Return the same time of day `days` later in the calendar's zone. Raises `Unavailable` where this machine lacks the zone."""
    local = datetime.fromtimestamp(at // SECOND, zone_in(calendar)) + timedelta(days=days)
    return int(local.timestamp()) * SECOND + at % SECOND


def zone_in(calendar: Calendar) -> tzinfo:
    """Return the calendar's zone. Raises `Unavailable` where this machine lacks it."""
    zone = zone_of(calendar.zone)
    if zone is None:
        raise Unavailable("ZONE_UNKNOWN", "This machine knows no such time zone as the policy's calendar names: install tzdata.")
    return zone
