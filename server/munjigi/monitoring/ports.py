"""Where counts go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from munjigi.monitoring.metric import Metric, Slowest


class MetricSink(Protocol):
    """Take counts of catalogued metrics. `labels` are values in the catalogue's order."""

    def add(self, metric: Metric, labels: Sequence[str], amount: float) -> None:
        """Add to a counter."""
        ...

    def set(self, metric: Metric, labels: Sequence[str], value: float) -> None:
        """Set a gauge."""
        ...

    def observe_many(self, metric: Metric, labels: Sequence[str], counts: Sequence[int], total: float) -> None:
        """Add observations by bucket (`metric.BUCKETS`, then the rest) and their sum."""
        ...

    def point_at(self, metric: Metric, slowest: Mapping[str, Slowest]) -> None:
        """Remember the slowest call of a while by the value of a histogram's one label."""
        ...
