"""A dashboard's variables, filled in as Grafana fills them in.

Source: `packages/grafana-data/src/datetime/rangeutil.ts` (intervals) and `pkg/promlib/models/query.go` (the rate's) of Grafana 11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import InvalidArgument

_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)(?::\w+)?\})")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"(\d+)([smhd])\Z")
_NEAR: Final[tuple[tuple[float, int], ...]] = (  # below so many seconds, it is rounded to so many
    (7.5, 5),
    (12.5, 10),
    (17.5, 15),
    (25, 20),
    (45, 30),
    (90, 60),
    (210, 120),
    (450, 300),
    (750, 600),
    (1050, 900),
    (1500, 1200),
    (2700, 1800),
    (5400, 3600),
    (9000, 7200),
    (16_200, 10_800),
    (32_400, 21_600),
    (86_400, 43_200),
    (604_800, 86_400),
)
_WEEK: Final = 604_800
_AUTO: Final = "$__auto"


class Span(NamedTuple):
    """The time that is looked at: UTC nanoseconds, half-open."""

    start: int
    end: int

    @property
    def seconds(self) -> int:
        """Return how long it is."""
        return max(1, (self.end - self.start) // SECOND)


def interval_of(span: Span, points: int, least: int) -> int:
    """Return how many seconds a point stands for, where there are about `points` of them and none for less than `least`."""
    wanted = span.seconds / points
    near = max(1, round(wanted)) if wanted < 3.5 else next((rounded for below, rounded in _NEAR if wanted < below), _WEEK)
    return max(near, least)


def values_of(dashboard: Mapping[str, Any], span: Span, points: int, scrape: int) -> dict[str, str]:
    """Return the value of each variable of a dashboard as it opens, and of Grafana's own.

    `points` across the panel, `scrape` seconds between scrapes. Raises `InvalidArgument` for a kind of variable that is not known.
    """
    values: dict[str, str] = {}
    least = 1
    for variable in dashboard["templating"]["list"]:
        name, kind = variable["name"], variable["type"]
        current = variable.get("current", {}).get("value", "")
        if kind == "interval":
            automatic = interval_of(span, variable["auto_count"], seconds_of(variable["auto_min"]))
            least = automatic if current == _AUTO else seconds_of(current)
            values[name] = f"{least}s"
        elif kind == "query" and variable["includeAll"]:
            values[name] = variable["allValue"]
        elif kind == "textbox":
            values[name] = current
        elif kind == "datasource":
            values[name] = variable["query"]
        else:
            raise InvalidArgument("VARIABLE_UNKNOWN", f"A dashboard's variable is of the kind {kind}; teach it to `values_of`.")
    step = interval_of(span, points, least)
    return values | {
        "__interval": f"{step}s",
        "__interval_ms": str(step * 1000),
        "__rate_interval": f"{max(step + scrape, 4 * scrape)}s",
        "__range": f"{span.seconds}s",
        "__range_s": str(span.seconds),
    }


def filled(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of `$name` and `${name}`.

    Raises `InvalidArgument` when a name has none.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in values:
            raise InvalidArgument("VARIABLE_UNKNOWN", f"A dashboard uses the variable {name}, which it doesn't have.")
        return values[name]

    return _VARIABLE.sub(value, text)


def seconds_of(duration: str) -> int:
    """Return the seconds of `15s`, `5m`, `1h`, `1d`.

    Raises `InvalidArgument` for anything else.
    """
    match = _DURATION.match(duration)
    if match is None:
        raise InvalidArgument("DURATION_INVALID", "Write a duration like 15s, 5m, 1h or 7d.")
    return int(match[1]) * _UNITS[match[2]]
