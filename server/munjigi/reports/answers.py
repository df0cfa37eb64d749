"""A panel's questions, asked: the lines that it shows, with their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from munjigi.reports.interpolation import Span, filled, seconds_of, values_of
from munjigi.reports.panels import Panel, Row, panels_of, rows_of
from munjigi.reports.ports import MetricSource, Series

SYNTHETIC: Final = "max(max_over_time(munjigi_synthetic[$__range]))"
SAMPLE: Final = "max(max_over_time(munjigi_sample_company[$__range]))"
_LABEL: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class Line(NamedTuple):
    """One line or bar, and its name in the legend."""

    name: str
    points: tuple[tuple[float, float], ...]


class Answer(NamedTuple):
    """What a panel shows."""

    panel: Panel
    lines: tuple[Line, ...]


class Report(NamedTuple):
    """A dashboard, answered. `made_up`: what of it is not of a real company; empty when it is."""

    title: str
    span: Span
    step: int
    rows: tuple[Row, ...]
    answers: tuple[Answer, ...]
    made_up: str


def answered(dashboard: Mapping[str, Any], source: MetricSource, span: Span, *, points: int, scrape: int) -> Report:
    """Ask every panel's questions."""
    values = values_of(dashboard, span, points, scrape)
    step = seconds_of(values["__interval"])

    def ask(panel: Panel) -> Answer:
        lines: list[Line] = []
        for target in panel.targets:
            expression = filled(target.expression, values)
            found = source.over(expression, span, step) if panel.over_time else source.at(expression, span.end)
            lines += [Line(name_of(target.legend, each), each.points) for each in found]
        return Answer(panel, tuple(sorted(lines)) if len(panel.targets) == 1 else tuple(lines))

    def holds(expression: str) -> bool:
        return any(value > 0 for each in source.at(filled(expression, values), span.end) for _, value in each.points)

    answers = tuple(ask(panel) for panel in panels_of(dashboard))
    made_up = "synthetic: people and records are made up" if holds(SYNTHETIC) else ""
    made_up = made_up or ("sample company: people and members are made up" if holds(SAMPLE) else "")
    return Report(dashboard["title"], span, step, tuple(rows_of(dashboard)), answers, made_up)


def name_of(legend: str, series: Series) -> str:
    """Fill a series' labels into the legend."""
    return _LABEL.sub(lambda match: series.labels.get(match[1], ""), legend)
