"""A metric sink in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from munjigi.monitoring.metric import Metric, Slowest


class MemorySink:
    """Keep sums of counters and last values of gauges by (name, *labels)."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], float] = {}
        self.slowest: dict[str, Slowest] = {}

    def add(self, metric: Metric, labels: Sequence[str], amount: float) -> None:
        key = (metric.name, *labels)
        self.values[key] = self.values.get(key, 0) + amount

    def set(self, metric: Metric, labels: Sequence[str], value: float) -> None:
        self.values[(metric.name, *labels)] = value

    def observe_many(self, metric: Metric, labels: Sequence[str], counts: Sequence[int], total: float) -> None:
        self.add(metric, labels, sum(counts))

    def point_at(self, metric: Metric, slowest: Mapping[str, Slowest]) -> None:
        self.slowest |= slowest
