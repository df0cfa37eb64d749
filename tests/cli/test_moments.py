"""Times as people type and read them: in the zone, by the day, and never guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.cli.failure import Failure
from munjigi.cli.moments import parse_moment, show_day, show_last_day, show_moment
from munjigi.kernel.clock import SECOND

NOW = 1_795_386_575_123_456_789  # 2026-11-22T22:29:35.123456789Z
SEOUL, BERLIN, NEW_YORK = ZoneInfo("Asia/Seoul"), ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - 90 * SECOND),
        ("15m", NOW - 900 * SECOND),
        ("8h", NOW - 28_800 * SECOND),
        ("7d", NOW - 604_800 * SECOND),
        ("2w", NOW - 1_209_600 * SECOND),
        ("2026-11-22", at("2026-11-21T15:00Z")),
        ("2026-11-22T22:29:35Z", at("2026-11-22T22:29:35Z")),
        ("2026-11-22 22:29", at("2026-11-22T13:29Z")),
        ("2026-11-22T22:29:35+00:00", at("2026-11-22T22:29:35Z")),
        ("2026-11-22T22:29:35-05:00", at("2026-11-23T03:29:35Z")),
        ("2026-11-22T22:29:35.123456789z", NOW),
        ("2026-11-23T07:29:35.5", at("2026-11-22T22:29:35Z") + SECOND // 2),
        ("2028-02-29", at("2028-02-28T15:00Z")),
        ("2026-11-22T00:00", at("2026-11-21T15:00Z")),
        ("999999w", 0),
    ],
)
def test_moments_in_seoul(text: str, expected: int):
    assert parse_moment(text, NOW, SEOUL) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-31", "2027-01-01T00:00+09:00"),  # through the end of that day
        ("2026-12-31T00:00", "2026-12-31T00:00+09:00"),  # a time is meant as it is
        ("2026-12-31T18:00Z", "2026-12-31T18:00+00:00"),
        ("2028-02-28", "2028-02-29T00:00+09:00"),
        ("2028-02-29", "2028-03-01T00:00+09:00"),
        ("2027-02-28", "2027-03-01T00:00+09:00"),
    ],
)
def test_an_end_that_is_a_day_has_the_whole_day(text: str, expected: str):
    assert parse_moment(text, NOW, SEOUL, end=True) == at(expected)


@pytest.mark.parametrize(
    ("text", "zone", "end", "todo"),
    [
        ("2026-10-25T02:30", BERLIN, False, "write 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"),
        ("2026-03-29T02:30", BERLIN, False, "write 2026-03-29T03:30:00+02:00"),
        ("2026-11-01T01:59:59", NEW_YORK, False, "write 2026-11-01T01:59:59-04:00 or 2026-11-01T01:59:59-05:00"),
        ("2026-03-08T02:00", NEW_YORK, False, "write 2026-03-08T03:00:00-04:00"),
        ("2018-11-04", ZoneInfo("America/Sao_Paulo"), False, "write 2018-11-04T01:00:00-02:00"),  # a midnight that never came
        ("2018-11-03", ZoneInfo("America/Sao_Paulo"), True, "write 2018-11-04T01:00:00-02:00"),
        ("2018-02-17", ZoneInfo("America/Sao_Paulo"), False, None),
        ("2018-02-17T23:30", ZoneInfo("America/Sao_Paulo"), False, "comes twice in America/Sao_Paulo"),
    ],
)
def test_a_time_that_comes_twice_or_never_is_refused_with_what_to_type(text: str, zone: ZoneInfo, end: bool, todo: str | None):
    if todo is None:
        assert (
            parse_moment(text, NOW, zone, end=end) == int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * SECOND
        )
        return
    with pytest.raises(ValueError) as caught:
        parse_moment(text, NOW, zone, end=end)
    assert todo in str(caught.value)


@pytest.mark.parametrize("text", ["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", "2026-10-25T00:30Z"])
def test_with_an_offset_nothing_is_ambiguous(text: str):
    assert parse_moment(text, NOW, BERLIN) == at(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "5",
        "5y",
        "-5m",
        "2026-13-01",
        "2027-02-29",
        "2026-11-22T25:00Z",
        "2026-11-22T09:00+25:00",
        "1969-12-31",
        "\u0665m",
    ],
)
def test_what_is_no_moment(text: str):
    for end in (False, True):
        with pytest.raises(ValueError):
            parse_moment(text, NOW, SEOUL, end=end)


def test_the_last_day_of_the_calendar_has_no_end():
    with pytest.raises(ValueError):
        parse_moment("9999-12-31", NOW, SEOUL, end=True)


@given(
    st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", fullmatch=True),
    st.sampled_from([SEOUL, BERLIN, NEW_YORK, UTC]),
    st.booleans(),
)
def test_any_text_is_a_moment_or_a_value_error(text: str, zone, end):
    try:
        moment = parse_moment(text, NOW, zone, end=end)
    except (ValueError, OverflowError):
        return
    assert moment >= 0


@given(
    st.integers(0, 4_000_000_000), st.sampled_from(["Asia/Seoul", "Europe/Berlin", "UTC", "America/St_Johns", "Asia/Kathmandu"])
)
def test_what_is_shown_is_read_as_the_same_moment_in_any_zone(second: int, name: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUNJIGI_ZONE", name)
        shown = show_moment(second * SECOND)
    assert not shown or parse_moment(shown, NOW, SEOUL) == second * SECOND


def test_moments_are_shown_in_the_zone_with_its_offset(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MUNJIGI_ZONE", raising=False)
    assert show_moment(NOW) == "2026-11-23 07:29:35.123+09:00"
    assert show_day(NOW) == "2026-11-23"
    assert show_moment(0) == ""
    monkeypatch.setenv("MUNJIGI_ZONE", "UTC")
    assert show_moment(NOW) == "2026-11-22 22:29:35.123Z"
    monkeypatch.setenv("MUNJIGI_ZONE", "Mars/Olympus")
    with pytest.raises(Failure, match="MUNJIGI_ZONE"):
        show_moment(NOW)


def test_a_period_that_ends_at_midnight_has_its_last_day_before(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MUNJIGI_ZONE", "Asia/Seoul")
    end = parse_moment("2026-12-31", NOW, SEOUL, end=True)
    assert (show_day(end), show_last_day(end), show_last_day(end + 1), show_last_day(0)) == (
        "2027-01-01", "2026-12-31", "2027-01-01", "1970-01-01",
    )  # fmt: skip
