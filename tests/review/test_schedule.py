"""When reviews are due: working days of the policy's calendar, once after a downtime, whatever the clocks of the zone do (R21)."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import Unavailable
from munjigi.policy.calendar import Calendar
from munjigi.review.schedule import MONTHS, at_work, last_due, next_due

SEOUL = Calendar("Asia/Seoul", frozenset((date(2026, 1, 1), date(2026, 10, 5), date(2027, 1, 1))))


def at(text: str, zone: str = "Asia/Seoul") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("every", "day", "now", "due"),
    [
        ("quarterly", 1, "2026-11-29T12:00", "2026-10-01T09:00"),
        ("quarterly", 4, "2026-11-29T12:00", "2026-10-06T09:00"),  # the 4th is a Sunday, the 5th a holiday
        ("quarterly", 1, "2026-01-02T08:59", "2025-10-01T09:00"),  # the 1st is a holiday, the 2nd has not opened
        ("quarterly", 1, "2026-01-02T09:00", "2026-01-02T09:00"),
        ("half_yearly", 1, "2026-06-30T23:59", "2026-01-02T09:00"),
        ("monthly", 31, "2028-03-01T00:00", "2028-02-29T09:00"),  # a leap year's February
        ("monthly", 31, "2027-03-01T08:00", "2027-02-01T09:00"),  # the 28th is a Sunday: due on 1 March, which has not opened
        ("monthly", 31, "2027-03-01T09:00", "2027-03-01T09:00"),
        ("yearly", 1, "2027-01-03T00:00", "2026-01-02T09:00"),  # the 1st a holiday, then a weekend
    ],
)
def test_the_newest_due_moment(every: str, day: int, now: str, due: str):
    assert last_due(every, day, SEOUL, at(now)) == at(due)


def test_midnight_of_the_zone_counts_and_not_that_of_utc():
    before = at("2026-07-01T08:59")  # still 30 June in UTC
    assert last_due("quarterly", 1, SEOUL, before) == at("2026-04-01T09:00")
    assert next_due("quarterly", 1, SEOUL, before) == at("2026-07-01T09:00")


def test_clocks_that_are_put_forward_move_nothing():
    berlin = Calendar("Europe/Berlin")
    assert next_due("monthly", 29, berlin, at("2026-03-03T00:00", "Europe/Berlin")) == at("2026-03-30T09:00", "Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "work"),
    [
        ("2026-10-02T08:59", False),
        ("2026-10-02T09:00", True),
        ("2026-10-02T16:59", True),
        ("2026-10-02T17:00", False),
        ("2026-10-04T12:00", False),  # a Sunday
        ("2026-10-05T12:00", False),  # a holiday
    ],
)
def test_people_are_at_work(now: str, work: bool):
    assert at_work(SEOUL, at(now)) is work


def test_a_zone_that_is_not_known_is_said():
    with pytest.raises(Unavailable) as refused:
        last_due("monthly", 1, Calendar("Mars/Olympus"), at("2026-07-01T08:59"))
    assert refused.value.reason == "ZONE_UNKNOWN"


@given(
    every=st.sampled_from(sorted(MONTHS)),
    day=st.integers(1, 31),
    now=st.integers(at("2020-01-01T00:00"), at("2040-01-01T00:00")),
    zone=st.sampled_from(("Asia/Seoul", "America/New_York", "Pacific/Apia", "UTC")),
)
def test_what_is_due_next_is_then_the_newest(every: str, day: int, now: int, zone: str):
    calendar = Calendar(zone, SEOUL.holidays)
    upcoming = next_due(every, day, calendar, now)
    assert last_due(every, day, calendar, now) <= now < upcoming
    assert last_due(every, day, calendar, upcoming) == upcoming
    assert last_due(every, day, calendar, upcoming - 1) == last_due(every, day, calendar, now)
