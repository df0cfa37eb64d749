"""Count in plain dictionaries on the event loop, and hand the sums to the sink once in a while.

A decision costs one dictionary look-up, a call another; the sink, which other processes read, is touched by `flush` only.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Protocol

from munjigi.monitoring import catalogue
from munjigi.monitoring.counted import Counted
from munjigi.monitoring.metric import BUCKETS, Metric, Slowest
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


class _Calls:
    """Calls of one method since the last flush: how many by bucket of their time, refused ones by reason. Times in seconds."""

    __slots__ = ("buckets", "longest", "refused", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.refused: dict[str, int] = {}
        self.seconds = 0.0
        self.longest = 0.0


class Meter:
    """Counts of one process."""

    def __init__(self, sink: MetricSink) -> None:
        self._sink = sink
        self._counts: dict[tuple[Metric, tuple[str, ...]], float] = {}
        self._decisions: dict[tuple[str, Counted], list[int]] = {}  # how many, and of how many data subjects
        self._calls: dict[str, _Calls] = {}
        self._slowest: dict[str, Slowest] = {}
        self._committed = (0, 0, 0, 0.0)

    def decision(self, door: str, counted: Counted, subjects: int) -> None:
        """Count one decision. `subjects` are the data subjects that it lets be read, 0 where it is not enforced."""
        key = (door, counted)
        sums = self._decisions.get(key)
        if sums is None:
            sums = self._decisions[key] = [0, 0]
        sums[0] += 1
        sums[1] += subjects

    def confirmation(self, outcome: str, purpose: str, rows: int) -> None:
        """Count one confirmation. `rows` are those that were read."""
        self.add(catalogue.CONFIRMATIONS, outcome)
        if rows:
            self.add(catalogue.CONFIRMED_ROWS, purpose, amount=rows)

    def call(self, door: str, reason: str, seconds: float) -> bool:
        """Count one call and its time; tell whether it is the slowest of its method since the last flush."""
        calls = self._calls.get(door)
        if calls is None:
            calls = self._calls[door] = _Calls()
        calls.buckets[bisect_left(BUCKETS, seconds)] += 1
        calls.seconds += seconds
        if reason != "OK":
            calls.refused[reason] = calls.refused.get(reason, 0) + 1
        if seconds <= calls.longest:
            return False
        calls.longest = seconds
        return True

    def slowest(self, door: str, slowest: Slowest) -> None:
        """Note which call `call` has just called the slowest."""
        self._slowest[door] = slowest

    def add(self, metric: Metric, *labels: str, amount: float = 1) -> None:
        """Count something rare."""
        key = (metric, labels)
        self._counts[key] = self._counts.get(key, 0) + amount

    def set(self, metric: Metric, *labels: str, value: float) -> None:
        """Set a gauge at once."""
        self._sink.set(metric, labels, value)

    def flush(self, commits: CommitCounts | None = None) -> None:
        """Hand everything counted since the last time to the sink."""
        self._flush_decisions()
        sink = self._sink
        calls, self._calls = self._calls, {}
        for door, made in calls.items():
            sink.observe_many(catalogue.CALL_SECONDS, (door,), made.buckets, made.seconds)
            refused = made.refused
            for reason, count in {"OK": sum(made.buckets) - sum(refused.values()), **refused}.items():
                if count:
                    sink.add(catalogue.CALLS, (door, reason), count)
        slowest, self._slowest = self._slowest, {}
        sink.point_at(catalogue.CALL_SECONDS, slowest)
        counts, self._counts = self._counts, {}
        for (metric, values), amount in counts.items():
            sink.add(metric, values, amount)
        if commits is not None:
            self._flush_commits(commits)

    def _flush_decisions(self) -> None:
        decisions, self._decisions = self._decisions, {}
        for (door, made), (count, subjects) in decisions.items():
            verdict = "allow" if made.allow else "deny"
            self.add(catalogue.DECISIONS, verdict, made.reason, door, amount=count)
            self.add(catalogue.DECISIONS_BY_TOOL, verdict, made.tool, amount=count)
            self.add(catalogue.DECISIONS_BY_PURPOSE, verdict, made.purpose, amount=count)
            for each in made.classes:
                self.add(catalogue.DECISIONS_BY_CLASS, verdict, each, amount=count)
            if subjects:
                self.add(catalogue.SUBJECTS, made.purpose, amount=subjects)
            if made.download:
                self.add(catalogue.EXPORTS, verdict, made.purpose, amount=count)

    def _flush_commits(self, commits: CommitCounts) -> None:
        before = self._committed
        now = self._committed = (commits.commits, commits.records, commits.bytes, commits.total_sync_seconds)
        self._sink.add(catalogue.JOURNAL_COMMITS, (commits.mode,), now[0] - before[0])
        self._sink.add(catalogue.JOURNAL_RECORDS, (), now[1] - before[1])
        self._sink.add(catalogue.JOURNAL_BYTES, (), now[2] - before[2])
        self._sink.add(catalogue.JOURNAL_SYNC_SECONDS, (), now[3] - before[3])
