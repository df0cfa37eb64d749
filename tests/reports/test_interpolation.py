"""Variables are filled in as Grafana does it."""

from __future__ import annotations

from typing import Any

import pytest

from munjigi.kernel.errors import InvalidArgument
from munjigi.reports.interpolation import Span, filled, interval_of, seconds_of, values_of

HOUR = 3_600_000_000_000


def span(hours: float) -> Span:
    return Span(0, int(hours * HOUR))


@pytest.mark.parametrize(
    ("hours", "points", "least", "seconds"),
    [
        (1, 1000, 15, 15),  # 3.6 s a point, but no less than a scrape
        (6, 1000, 15, 20),
        (24, 1000, 15, 60),
        (24 * 7, 1000, 15, 600),
        (24 * 30, 1000, 15, 1800),
        (1, 3600, 1, 1),
        (24 * 365, 100, 1, 86_400),
    ],
)
def test_a_point_stands_for_a_round_time(hours: float, points: int, least: int, seconds: int):
    assert interval_of(span(hours), points, least) == seconds


def page(*variables: dict[str, Any]) -> dict[str, Any]:
    return {"templating": {"list": list(variables)}}


AUTO = {"name": "interval", "type": "interval", "auto_count": 200, "auto_min": "15s", "current": {"value": "$__auto"}}


def test_a_rate_is_taken_over_four_scrapes_at_least():
    values = values_of(page(AUTO), span(1), 1000, 15)
    assert (values["interval"], values["__interval"], values["__rate_interval"], values["__range"]) == (
        "20s",
        "20s",
        "60s",
        "3600s",
    )
    values = values_of(page(AUTO), span(24 * 7), 1000, 15)
    assert (values["__interval"], values["__rate_interval"]) == ("3600s", "3615s")
    values = values_of(page(AUTO | {"current": {"value": "6h"}}), span(1), 1000, 15)
    assert (values["__interval"], values["__rate_interval"]) == ("21600s", "21615s")


def test_names_are_filled_in_and_unknown_ones_are_an_error():
    assert filled("a$x, ${y:regex} and ${x}b", {"x": "1", "y": ".*"}) == "a1, .* and 1b"
    with pytest.raises(InvalidArgument, match="nobody"):
        filled("$nobody", {})
    with pytest.raises(InvalidArgument, match="kind adhoc"):
        values_of(page({"name": "x", "type": "adhoc"}), span(1), 100, 15)


@pytest.mark.parametrize("text", ["", "15", "s", "1.5h", "1y", "-1s", "15s "])
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(InvalidArgument):
        seconds_of(text)
    assert seconds_of("7d") == 604_800
