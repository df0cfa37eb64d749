"""The panels of a dashboard's committed file that ask Prometheus: the same questions on every screen, picture and test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_PROMETHEUS: Final = "prometheus"
_KINDS: Final = ("timeseries", "stat", "bargauge")


class Target(NamedTuple):
    """One question, with variables in it, and what its answers are called: `{{label}}` stands for a label's value."""

    expression: str
    legend: str


class Place(NamedTuple):
    """Where a panel stands, in cells of Grafana's grid of 24 columns."""

    x: int
    y: int
    width: int
    height: int


class Panel(NamedTuple):
    """One panel. `worry`: from this value on it is shown in the colour of the last threshold."""

    title: str
    kind: str
    unit: str
    targets: tuple[Target, ...]
    place: Place
    stacked: bool
    stepped: bool
    colours: Mapping[str, str]
    worry: float | None

    @property
    def over_time(self) -> bool:
        """Tell whether it shows how something went, not how it is."""
        return self.kind == "timeseries"


class Row(NamedTuple):
    """A heading over panels."""

    title: str
    y: int


def panels_of(dashboard: Mapping[str, Any]) -> list[Panel]:
    """Return the panels that ask Prometheus, from left to right and top to bottom."""
    found = [
        _panel(each)
        for each in dashboard["panels"]
        if each["type"] in _KINDS and each.get("datasource", {}).get("type") == _PROMETHEUS
    ]
    return sorted(found, key=lambda panel: (panel.place.y, panel.place.x))


def rows_of(dashboard: Mapping[str, Any]) -> list[Row]:
    """Return the headings, top to bottom."""
    return [Row(each["title"], each["gridPos"]["y"]) for each in dashboard["panels"] if each["type"] == "row"]


def _panel(content: Mapping[str, Any]) -> Panel:
    place = content["gridPos"]
    defaults = content["fieldConfig"]["defaults"]
    custom = defaults.get("custom", {})
    steps = defaults.get("thresholds", {}).get("steps", [])
    return Panel(
        content["title"],
        content["type"],
        defaults["unit"],
        tuple(Target(each["expr"], each["legendFormat"]) for each in content["targets"]),
        Place(place["x"], place["y"], place["w"], place["h"]),
        custom.get("stacking", {}).get("mode") == "normal",
        custom.get("lineInterpolation") == "stepAfter",
        {
            override["matcher"]["options"]: setting["value"]["fixedColor"]
            for override in content["fieldConfig"]["overrides"]
            for setting in override["properties"]
            if setting["id"] == "color"
        },
        steps[-1]["value"] if len(steps) > 1 else None,
    )
