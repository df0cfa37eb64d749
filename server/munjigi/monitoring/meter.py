"""Count in plain dictionaries on the event loop, and hand the sums to the sink once in a while.

A decision costs two dictionary increments; the sink, which other processes read, is touched by `flush` only.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Protocol

from munjigi.decision.types import Decision
from munjigi.monitoring import catalogue
from munjigi.monitoring.catalogue import BUCKETS, Metric
from munjigi.monitoring.ports import MetricSink


class CommitCounts(Protocol):
    """Running totals of group commits."""

    commits: int
    records: int
    bytes: int
    total_sync_seconds: float

    @property
    def mode(self) -> str:
        """Where commits run."""
        ...


class Meter:
    """Counts of one process."""

    def __init__(self, sink: MetricSink) -> None:
        self._sink = sink
        self._counts: dict[tuple[Metric, tuple[str, ...]], float] = {}
        self._decisions: dict[tuple[bool, str, str, str], int] = {}
        self._calls: dict[tuple[str, str], int] = {}
        self._times: dict[str, tuple[list[int], list[float]]] = {}
        self._committed = (0, 0, 0, 0.0)

    def decision(self, door: str, tool: str, decision: Decision) -> None:
        """Count one decision."""
        key = (decision.allow, decision.reason, door, tool)
        self._decisions[key] = self._decisions.get(key, 0) + 1

    def call(self, door: str, reason: str, seconds: float) -> None:
        """Count one call and its time."""
        key = (door, reason)
        self._calls[key] = self._calls.get(key, 0) + 1
        times = self._times.get(door)
        if times is None:
            times = self._times[door] = ([0] * (len(BUCKETS) + 1), [0.0])
        times[0][bisect_left(BUCKETS, seconds)] += 1
        times[1][0] += seconds

    def add(self, metric: Metric, *labels: str, amount: float = 1) -> None:
        """Count something rare."""
        key = (metric, labels)
        self._counts[key] = self._counts.get(key, 0) + amount

    def set(self, metric: Metric, *labels: str, value: float) -> None:
        """Set a gauge at once."""
        self._sink.set(metric, labels, value)

    def flush(self, commits: CommitCounts | None = None) -> None:
        """Hand everything counted since the last time to the sink."""
        sink = self._sink
        decisions, self._decisions = self._decisions, {}
        for (allow, reason, door, tool), count in decisions.items():
            verdict = "allow" if allow else "deny"
            sink.add(catalogue.DECISIONS, (verdict, reason, door), count)
            sink.add(catalogue.DECISIONS_BY_TOOL, (verdict, tool), count)
        calls, self._calls = self._calls, {}
        for labels, count in calls.items():
            sink.add(catalogue.CALLS, labels, count)
        times, self._times = self._times, {}
        for door, (buckets, total) in times.items():
            sink.observe_many(catalogue.CALL_SECONDS, (door,), buckets, total[0])
        counts, self._counts = self._counts, {}
        for (metric, values), amount in counts.items():
            sink.add(metric, values, amount)
        if commits is not None:
            self._flush_commits(commits)

    def _flush_commits(self, commits: CommitCounts) -> None:
        before = self._committed
        now = self._committed = (commits.commits, commits.records, commits.bytes, commits.total_sync_seconds)
        self._sink.add(catalogue.JOURNAL_COMMITS, (commits.mode,), now[0] - before[0])
        self._sink.add(catalogue.JOURNAL_RECORDS, (), now[1] - before[1])
        self._sink.add(catalogue.JOURNAL_BYTES, (), now[2] - before[2])
        self._sink.add(catalogue.JOURNAL_SYNC_SECONDS, (), now[3] - before[3])
