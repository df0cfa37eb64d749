"""A flood of denials is counted, never dropped: beyond a bound, of one tool for one reason, they share a record.

A period begins with a record of its own. It is appended before the first answer that is only counted, and an answer leaves
after everything appended before it is durable (P1), so that a crash loses counts of at most a second and never the fact. A
second record ends the period and says how many there were. An ALLOW is never counted so, nor a denial of a tool's trial mode,
after which the tool reads all the same. Pure: time comes in, records go out.
"""

from __future__ import annotations

from collections.abc import Callable

from munjigi.audit.records import DenialFloodRecord
from munjigi.kernel.clock import SECOND

_Key = tuple[str, str]  # tool and reason, both of closed lists


class _Period:
    __slots__ = ("count", "first", "last")

    def __init__(self, asked_at: int) -> None:
        self.first = self.last = asked_at
        self.count = 0


class Floods:
    """Denials of late, by tool and reason. Lives on the event loop."""

    def __init__(self, per_second: int, journal: Callable[[DenialFloodRecord], object]) -> None:
        """Let `per_second` denials of a tool for a reason have records of their own, all of them when it is 0."""
        self._rate = per_second
        self._journal = journal
        self._levels: dict[_Key, tuple[float, int]] = {}
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
        """Take one from a bucket that a second fills. A clock that was set back fills nothing."""
        rate = float(self._rate)
        level, then = self._levels.get(key, (rate, now))
        level = min(rate, level + rate * max(now - then, 0) / SECOND)
        room = level >= 1
        self._levels[key] = (level - 1 if room else level, max(now, then))
        return room
