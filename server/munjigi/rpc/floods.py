"""A flood of denials is counted, never dropped: beyond a bound, of one tool for one reason, they share a record.

A period begins with a record of its own. It is appended before the first answer that is only counted, and an answer leaves
after everything appended before it is durable (P1), so that a crash loses counts of at most a second and never the fact. A
second record ends the period and says how many there were. An ALLOW is never counted so, nor a denial of a tool's trial mode,
after which the tool reads all the same. Pure: time comes in, records go out.
"""

from __future__ import annotations

from collections.abc import Callable

from munjigi.audit.records import DenialFloodRecord
from munjigi.rpc.neighbours import Alone, Counters
from munjigi.rpc.rates import Bucket

_Key = tuple[str, str]  # tool and reason, both of closed lists


class _Period:
    __slots__ = ("count", "first", "last")

    def __init__(self, asked_at: int) -> None:
        self.first = self.last = asked_at
        self.count = 0


class Floods:
    """Denials of late, by tool and reason. Lives on the event loop."""

    def __init__(
        self,
        per_second: int,
        journal: Callable[[DenialFloodRecord], object],
        counters: Counters | None = None,
        workers: int = 1,
    ) -> None:
        """Let `per_second` denials of a tool for a reason have records of their own at all workers together, all when it is 0."""
        self._counters = counters or Alone()
        self._workers = workers
        self._rate = per_second
        self._journal = journal
        self._buckets: dict[_Key, Bucket] = {}
        self._periods: dict[_Key, _Period] = {}

    def counted(self, tool: str, reason: str, asked_at: int) -> bool:
        """Tell whether a denial was counted, so that it gets no record of its own.

        Raises `AuditUnavailable` when the record that begins a period can't be taken; then nothing was counted.
        """
        if not self._rate or self._has_room((tool, reason), asked_at):
            return False
        period = self._periods.get((tool, reason))
        if period is None:
            self._journal(DenialFloodRecord(tool=tool, reason=reason, first_at=asked_at, last_at=asked_at))
            period = self._periods[tool, reason] = _Period(asked_at)
        period.count += 1
        period.last = max(period.last, asked_at)
        return True

    def end(self, now: int) -> list[DenialFloodRecord]:
        """End every period and return its record; the next denial beyond the bound begins another. To be called once a second."""
        for bucket in self._buckets.values():
            bucket.look(now)
        periods, self._periods = self._periods, {}
        return [
            DenialFloodRecord(
                tool=tool,
                reason=reason,
                count=each.count,
                period_ns=max(now - each.first, 0),
                first_at=each.first,
                last_at=each.last,
            )
            for (tool, reason), each in periods.items()
        ]

    def _has_room(self, key: _Key, now: int) -> bool:
        bucket = self._buckets.get(key)
        if bucket is None:
            cell = self._counters.cell(f"denials {' '.join(key)}")
            bucket = self._buckets[key] = Bucket(self._rate, cell, now, workers=self._workers)
        return not bucket.take(1, now)
