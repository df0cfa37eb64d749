"""Who answers a panel's question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from munjigi.reports.interpolation import Span


class Series(NamedTuple):
    """One series of an answer: its labels, and points of (seconds since 1970, value) in the order of time."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class MetricSource(Protocol):
    """Answer expressions of PromQL. Raises `Unavailable` when nobody answers, `InvalidArgument` for an expression that is refused."""

    def at(self, expression: str, moment: int) -> list[Series]:
        """Return each series' value at a moment (UTC nanoseconds)."""
        ...

    def over(self, expression: str, span: Span, step: int) -> list[Series]:
        """Return each series' values every `step` seconds."""
        ...
