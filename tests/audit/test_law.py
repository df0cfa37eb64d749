"""The legal floor: calendar years by the calendar of the law, leap years too, and the file's facts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.audit.law import days_of, law
from munjigi.kernel.clock import SECOND

KST = timezone(timedelta(hours=9))


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND


def test_the_law_says_what_it_asks_with_its_article_and_date() -> None:
    floors = {(each.family, each.profile): each.years for each in law().rules}
    assert floors == {
        ("access", "ordinary"): 1,
        ("access", "large"): 2,
        ("permission", "ordinary"): 3,
        ("permission", "large"): 3,
    }
    assert all(each.article and each.asks and each.in_force_from <= law().as_of for each in law().rules)
    assert law().longest().years == 3
    assert days_of(3) == 1098


@pytest.mark.parametrize(
    ("now", "years", "expected"),
    [
        ((2026, 11, 22, 0, 0), 2, (2024, 11, 22)),
        ((2026, 11, 21, 23, 59), 2, (2024, 11, 21)),
        ((2029, 3, 1, 0, 0), 1, (2028, 3, 1)),  # what was recorded on 29 February is kept to the end of 28 February
        ((2029, 2, 28, 23, 59), 1, (2028, 2, 28)),
        ((2028, 2, 29, 12, 0), 1, (2027, 2, 28)),  # there was no 29 February: the day before, so nothing goes too early
        ((2028, 2, 29, 12, 0), 4, (2024, 2, 29)),
        ((2104, 2, 29, 12, 0), 4, (2100, 2, 28)),  # 2100 is no leap year
        ((1971, 1, 1, 12, 0), 2, (1970, 1, 1)),
    ],
)
def test_a_cut_is_the_beginning_of_a_day_there(now: tuple[int, ...], years: int, expected: tuple[int, int, int]) -> None:
    cut = law().cut(ns(datetime(*now, tzinfo=KST)), years)  # type: ignore[arg-type, misc] # five numbers
    assert cut == max(ns(datetime(*expected, tzinfo=KST)), 0)


def test_the_day_is_that_of_the_laws_calendar_not_of_utc() -> None:
    late = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)  # already the 22nd where the law is in force
    assert law().cut(ns(late), 1) == ns(datetime(2025, 11, 22, tzinfo=KST))
    assert law().cut(ns(late) - 1, 1) == ns(datetime(2025, 11, 21, tzinfo=KST))


@given(st.integers(500_000_000, 7_258_118_400), st.integers(1, 10))
def test_nothing_before_a_cut_is_within_its_period(seconds: int, years: int) -> None:
    """By the Civil Act: the day of the record doesn't count, and the last day counts to its end."""
    now = datetime.fromtimestamp(seconds, KST)
    last = datetime.fromtimestamp((law().cut(ns(now), years) - 1) // SECOND, KST).date()  # the last day that may go
    try:
        ends = last.replace(year=last.year + years)
    except ValueError:
        ends = date(last.year + years, 2, 28)
    assert ends < now.date()
