"""Which time is judged (R5, R6, R7, R21): calendar days of the zone, leap days and clock changes included, without times of suspension."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review.plan_kit import LOG, ToldUse, mark

from munjigi.audit.permission_records import GrantAddedRecord, GrantEndedRecord, GrantResumedRecord, GrantSuspendedRecord
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ConfigurationError
from munjigi.review.coverage import newest_cutoff
from munjigi.review.days import DAY, Days, before, bitmap, last_of
from munjigi.review.usage import VALIDITY
from munjigi.review.windows import back, pauses_of


def at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("zone", "cutoff", "days", "since"),
    [
        ("Asia/Seoul", "2028-03-01T00:00", 1, "2028-02-29T00:00"),
        ("Asia/Seoul", "2028-03-01T23:59", 366, "2027-03-01T00:00"),  # 29 February is a day like others
        ("Asia/Seoul", "2027-03-01T00:00", 365, "2026-03-01T00:00"),
        ("Europe/Berlin", "2026-03-30T00:00", 1, "2026-03-29T00:00"),  # a day of 23 hours
        ("Europe/Berlin", "2026-10-26T00:00", 1, "2026-10-25T00:00"),  # one of 25
        ("America/New_York", "2026-11-02T12:00", 100, "2026-07-25T00:00"),
        ("Asia/Kathmandu", "2026-11-02T00:10", 1, "2026-11-01T00:00"),  # 5:45 hours from UTC
    ],
)
def test_days_are_those_of_the_calendar(zone: str, cutoff: str, days: int, since: str):
    assert back(Days(zone), at(cutoff, zone), days) == at(since, zone)


@given(
    st.integers(0, 4 * 10**18), st.sampled_from(["Asia/Seoul", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC"])
)
def test_a_moment_lies_in_its_day(moment: int, zone: str):
    days = Days(zone)
    day = days.of(moment)
    local = datetime.fromtimestamp(moment // SECOND, UTC if zone == "UTC" else ZoneInfo(zone))
    assert day == (local.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days
    assert days.begin(day) <= moment < days.begin(day + 1)


@given(st.sets(st.integers(0, 500), min_size=1), st.integers(0, 501))
def test_bitmaps_are_sets_of_days(numbers: set[int], day: int):
    base = min(numbers)
    days = bitmap(numbers, base)
    assert last_of(days, base) == max(numbers)
    earlier = {each for each in numbers if each < day}
    assert before(days, base, day) == (bitmap(earlier, base) if earlier else 0)


def test_a_zone_that_is_not_known_is_refused():
    with pytest.raises(ConfigurationError) as refused:
        Days("Mars/Olympus")
    assert refused.value.reason == "ZONE_UNKNOWN"


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=4), st.integers(1, 120))
def test_whatever_the_pauses_as_much_time_counts(pauses: list[tuple[int, int]], count: int):
    days = Days("UTC")
    cutoff = 20_000 * DAY
    apart, end = [], 0
    for gap, length in pauses:  # one after the other, back from the cutoff
        apart.append((cutoff - (end + gap + length) * DAY, cutoff - (end + gap) * DAY))
        end += gap + length
    since = back(days, cutoff, count, apart)
    paused = sum(min(end, cutoff) - max(begin, since) for begin, end in apart if end > since)
    assert cutoff - since - paused == count * DAY


def suspension(kind: type, grant_id: str, time: int, suspended: str = "") -> object:
    record = kind(
        employee="own.er",
        grant_revision=time,
        grant_id=grant_id,
        holder_issuer="urn:test",
        holder="an.a",
        role="r",
        purpose="p",
        starts_at=0,
        ends_at=99,
        suspended=suspended,
    )
    record.time = time
    return record


def test_pauses_are_from_a_suspension_to_what_ends_it():
    records = [
        suspension(GrantAddedRecord, "a", 1),
        suspension(GrantSuspendedRecord, "a", 5, "LEAVE"),
        suspension(GrantSuspendedRecord, "b", 6, "LEAVE"),
        suspension(GrantResumedRecord, "a", 9),
        suspension(GrantSuspendedRecord, "a", 11, "LEAVE"),
        suspension(GrantEndedRecord, "a", 12),
        suspension(GrantAddedRecord, "c", 13, "LEAVE"),
        suspension(GrantResumedRecord, "c", 15),
    ]
    assert pauses_of(records) == {"a": ((5, 9), (11, 12)), "c": ((13, 15),)}  # type: ignore[arg-type]
    again = [*records, suspension(GrantAddedRecord, "a", 20)]
    assert "a" not in pauses_of(again)  # type: ignore[arg-type]


def test_the_newest_cutoff_is_a_minute_before_the_log_that_is_farthest_behind():
    usage = ToldUse(
        told=[mark(complete_ago=3), mark("zz" + LOG[2:], complete_ago=5), mark("yy" + LOG[2:], complete_ago=50, closed=True)]
    )
    assert newest_cutoff(usage) == usage.told[1].complete_to - VALIDITY
    assert newest_cutoff(usage, ["unknown"]) == 0
    assert newest_cutoff(ToldUse(told=[])) == 0
