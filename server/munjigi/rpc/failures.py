"""Bad credentials are counted, recorded and slowed down, in bounded memory, whoever sends them.

The first failure of an (address, reason, tool) is recorded at once, later ones as one record in ten
seconds. A source that keeps failing is refused before any signature work, for a time that doubles.
Pure: time comes in, records come out.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from munjigi.audit.records import SignInRecord
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ResourceExhausted

PERIOD: Final = 10 * SECOND
FAILURES_PER_PERIOD: Final = 20
LONGEST_WAIT: Final = 30 * SECOND
FORGET_AFTER: Final = 60 * SECOND
SOURCES: Final = 10_000
# Many addresses at once must not fill the journal: beyond this, first failures wait for their aggregate too.
RECORDS_AT_ONCE: Final = 100
TOO_MANY: Final = "TOO_MANY_FAILURES"
_MANY_PEERS: Final = "many"

_Key = tuple[str, str, str]  # address, reason, tool


class _Source:
    __slots__ = ("blocked_until", "count", "last", "level", "since")

    def __init__(self, now: int) -> None:
        self.since = self.last = now
        self.count = self.level = self.blocked_until = 0


class _Tally:
    __slots__ = ("count", "since")

    def __init__(self, now: int, count: int) -> None:
        self.since = now
        self.count = count


class Failures:
    """What went wrong lately, by source (for slowing down) and by address and reason (for records)."""

    def __init__(self, *, limit: int = FAILURES_PER_PERIOD, capacity: int = SOURCES) -> None:
        self._limit = limit
        self._capacity = capacity
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._tallies: OrderedDict[_Key, _Tally] = OrderedDict()  # oldest first
        self._evicted: dict[tuple[str, str], _Tally] = {}  # by reason and tool: both come from closed lists
        self._budget_since = 0
        self._budget = RECORDS_AT_ONCE

    def refuse(self, source: str, now: int) -> None:
        """Let a source pass that has not failed too often.

        Raises `ResourceExhausted` TOO_MANY_FAILURES with the seconds to wait.
        """
        known = self._sources.get(source)
        if known is not None and now < known.blocked_until:
            # A clock that was set back must not block for longer than the rule says.
            wait = min(known.blocked_until - now, LONGEST_WAIT)
            raise ResourceExhausted(
                TOO_MANY,
                "Too many refused credentials came from here; correct them and try again after the given wait.",
                wait / SECOND,
            )

    def note(self, address: str, reason: str, now: int, *, source: str = "", tool: str = "") -> SignInRecord | None:
        """Count a failure; return the record to be written at once, if there is one.

        `source` is what is slowed down, the address where it is left out; TOO_MANY_FAILURES slows nothing further.
        """
        if reason != TOO_MANY:
            self._slow_down(source or address, now)
        key = (address, reason, tool)
        tally = self._tallies.get(key)
        if tally is not None:
            tally.count += 1
            return None
        at_once = self._spend(now)
        self._tallies[key] = _Tally(now, 0 if at_once else 1)
        if len(self._tallies) > self._capacity:
            self._evict(*self._tallies.popitem(last=False))
        return SignInRecord(reason=reason, peer=address, tool=tool) if at_once else None

    def due(self, now: int) -> list[SignInRecord]:
        """Return one record for each tally of which ten seconds have passed. To be called about once a second."""
        records = []
        while self._tallies:
            key, tally = next(iter(self._tallies.items()))
            if 0 <= now - tally.since < PERIOD:
                break
            del self._tallies[key]
            if tally.count:
                records.append(_aggregate(*key, tally, now))
                self._tallies[key] = _Tally(now, 0)
        records += self._flush_evicted(now, PERIOD)
        return records

    def drain(self, now: int) -> list[SignInRecord]:
        """Return everything that is counted and not yet recorded, for the end of the process."""
        records = [_aggregate(*key, tally, now) for key, tally in self._tallies.items() if tally.count]
        self._tallies.clear()
        return records + self._flush_evicted(now, 0)

    def _slow_down(self, source: str, now: int) -> None:
        known = self._sources.get(source)
        if known is None:
            known = self._sources[source] = _Source(now)
            if len(self._sources) > self._capacity:
                self._sources.popitem(last=False)
        else:
            self._sources.move_to_end(source)
        if now - known.last >= FORGET_AFTER:
            known.level = 0
        if not 0 <= now - known.since < PERIOD:
            known.since = now
            # Who was blocked lately gets one try, not twenty.
            known.count = self._limit if known.level else 0
        known.last = now
        known.count += 1
        if known.count > self._limit:
            known.level = min(known.level + 1, 16)
            known.blocked_until = now + min(SECOND << (known.level - 1), LONGEST_WAIT)

    def _spend(self, now: int) -> bool:
        if not 0 <= now - self._budget_since < PERIOD:
            self._budget_since = now
            self._budget = RECORDS_AT_ONCE
        self._budget -= 1
        return self._budget >= 0

    def _evict(self, key: _Key, tally: _Tally) -> None:
        if tally.count:
            _, reason, tool = key
            gathered = self._evicted.setdefault((reason, tool), _Tally(tally.since, 0))
            gathered.count += tally.count

    def _flush_evicted(self, now: int, period: int) -> list[SignInRecord]:
        ready = [key for key, tally in self._evicted.items() if not 0 <= now - tally.since < period]
        return [_aggregate(_MANY_PEERS, reason, tool, self._evicted.pop((reason, tool)), now) for reason, tool in ready]


def _aggregate(address: str, reason: str, tool: str, tally: _Tally, now: int) -> SignInRecord:
    return SignInRecord(reason=reason, peer=address, tool=tool, count=tally.count, period_ns=max(now - tally.since, 0))
