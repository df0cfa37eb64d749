"""Periods of indices, and the note of those that are gone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.adapters.elasticsearch.documents import Naming
from munjigi.adapters.elasticsearch.expiry import Expired, due, expired, note

DAY = 86_400_000_000_000


def ns(year: int, month: int, day: int = 1) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000_000_000


@given(st.integers(0, 4_000_000_000_000_000_000), st.sampled_from(["day", "month"]))
def test_a_record_lies_in_the_period_of_its_index_and_the_next_moment_in_the_next(time: int, rollover: str) -> None:
    naming = Naming("m-a", rollover)  # type: ignore[arg-type] # one of the two
    period = naming.period_of(naming.of_time(time))
    assert period is not None
    assert period[0] <= time < period[1]
    assert naming.of_time(period[1]) != naming.of_time(time) == naming.of_time(period[0]) == naming.of_time(period[1] - 1)


@pytest.mark.parametrize(
    "name", ["m-a-2026.13", "m-a-2026.1", "m-a-2026.01.02", "m-b-2026.01", "m-a-", "m-a-2026.01-x", "m-a-0001.01"]
)
def test_other_names_are_no_period(name: str) -> None:
    assert Naming("m-a", "month").period_of(name) is None


def test_due_are_whole_periods_before_the_cut_that_nothing_holds() -> None:
    naming = Naming("m-a", "month")
    names = ["m-a-2024.01", "m-a-2024.02", "m-a-2024.03", "m-a-other"]
    assert list(due(names, naming, ns(2024, 3), lambda *_: False)) == names[:2]
    assert list(due(names, naming, ns(2024, 3) - 1, lambda *_: False)) == names[:1]
    assert list(due(names, naming, ns(2025, 1), lambda begin, end: begin <= ns(2024, 2, 29) <= end)) == [names[0], names[2]]


def test_the_note_joins_periods_and_is_read_as_nothing_when_it_is_damaged(tmp_path: Path) -> None:
    assert expired(tmp_path) == Expired()
    note(tmp_path, [(20, 30), (50, 60)])
    note(tmp_path, [(30, 40), (1, 5), (22, 25)])
    known = expired(tmp_path)
    assert known.periods == ((1, 5), (20, 40), (50, 60))
    inside = {time for time in range(70) if known.covers(time, 0)}
    assert inside == {*range(1, 5), *range(20, 40), *range(50, 60)}
    note(tmp_path, keep_days=1100)
    known = expired(tmp_path)
    assert (known.periods, known.keep_days) == (((1, 5), (20, 40), (50, 60)), 1100)
    now = 2000 * DAY
    assert known.covers(now - 1100 * DAY - 1, now)
    assert not known.covers(now - 1100 * DAY, now)
    (tmp_path / "expired.json").write_text("{")
    assert expired(tmp_path) == Expired()
