from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.cli.moments import parse_moment, show_moment
from munjigi.kernel.clock import SECOND

NOW = 1_795_386_575_123_456_789  # 2026-11-22T22:29:35.123456789Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - 90 * SECOND),
        ("15m", NOW - 900 * SECOND),
        ("8h", NOW - 28_800 * SECOND),
        ("7d", NOW - 604_800 * SECOND),
        ("2w", NOW - 1_209_600 * SECOND),
        ("2026-11-22", 1_795_305_600 * SECOND),
        ("2026-11-22T22:29:35Z", 1_795_386_575 * SECOND),
        ("2026-11-22 22:29", 1_795_386_540 * SECOND),
        ("2026-11-23T07:29:35+09:00", 1_795_386_575 * SECOND),
        ("2026-11-22T22:29:35.123456789Z", NOW),
        ("2026-11-22T22:29:35.5Z", 1_795_386_575 * SECOND + SECOND // 2),
        ("999999w", 0),
    ],
)
def test_moments(text: str, expected: int):
    assert parse_moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "now", "5", "5y", "-5m", "2026-13-01", "2026-11-22T25:00Z", "1969-12-31", "\u0665m"])
def test_what_is_no_moment(text: str):
    with pytest.raises(ValueError):
        parse_moment(text, NOW)


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", fullmatch=True))
def test_any_text_is_a_moment_or_a_value_error(text: str):
    try:
        moment = parse_moment(text, NOW)
    except (ValueError, OverflowError):
        return
    assert moment >= 0


def test_moments_are_shown_in_utc():
    assert show_moment(NOW) == "2026-11-22 22:29:35.123Z"
    assert show_moment(0) == ""
