"""Refused credentials are recorded, all of them, in few records and bounded memory, whoever sends them.

The first failure of an (address, reason, tool) is recorded at once, later ones as one record in ten
seconds. Who keeps failing is locked out (`lockouts.py`), which is recorded, too. Failures count for locks at whichever worker of the
host they were: each tells the others of its own and counts theirs. Time comes in, records come out.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from munjigi.audit.records import LockoutRecord, SignInRecord
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.neighbours import Digest, Failed, digest_of
from munjigi.rpc.lockouts import DOORS, FAILURES_PER_PERIOD, HARMLESS, PERIOD, Lock, Lockouts
from munjigi.rpc.neighbours import Alone, Wire

# Many addresses at once must not fill the journal: beyond this, first failures wait for their aggregate too.
RECORDS_AT_ONCE: Final = 100
_MANY_PEERS: Final = "many"

_Key = tuple[str, str, str]  # address, reason, tool


class _Tally:
    __slots__ = ("count", "since")

    def __init__(self, now: int, count: int) -> None:
        self.since = now
        self.count = count


class Failures:
    """What went wrong lately, by door (for locks) and by address and reason (for records)."""

    def __init__(self, wire: Wire | None = None, *, limit: int = FAILURES_PER_PERIOD, capacity: int = DOORS) -> None:
        self._wire = wire or Alone()
        self._latest = 0
        self._capacity = capacity
        self._lockouts = Lockouts(limit=limit, capacity=capacity)
        self._tallies: OrderedDict[_Key, _Tally] = OrderedDict()  # oldest first
        self._evicted: dict[tuple[str, str], _Tally] = {}  # by reason and tool: both come from closed lists
        self._budget_since = 0
        self._budget = RECORDS_AT_ONCE

    def refuse(self, door: str, now: int) -> None:
        """Let a door pass that is not locked. Raises `ResourceExhausted` TOO_MANY_FAILURES with the seconds to wait."""
        self._hear(now)
        self._lockouts.refuse(digest_of(door), now)

    def note(
        self, address: str, reason: str, now: int, *, door: str = "", tool: str = "", employee: EmployeeKey | None = None
    ) -> list[SignInRecord | LockoutRecord]:
        """Count a failure; return the records to be written at once.

        `door` is what is locked, the address where it is left out. `employee` is the account, where a signature has proved it.
        """
        records: list[SignInRecord | LockoutRecord] = []
        key = (address, reason, tool)
        tally = self._tallies.get(key)
        if tally is not None:
            tally.count += 1
        else:
            at_once = self._spend(now)
            self._tallies[key] = _Tally(now, 0 if at_once else 1)
            if len(self._tallies) > self._capacity:
                self._evict(*self._tallies.popitem(last=False))
            if at_once:
                records.append(SignInRecord(reason=reason, peer=address, tool=tool))
        lock = None if reason in HARMLESS else self._failed(digest_of(door or address), now)
        if lock is not None and self._spend(now):
            issuer, subject = employee or ("", "")
            records.append(
                LockoutRecord(
                    reason=reason,
                    peer=address,
                    tool=tool,
                    issuer=issuer,
                    employee=subject,
                    count=lock.failures,
                    locked_until=lock.until,
                )
            )
        return records

    def due(self, now: int) -> list[SignInRecord]:
        """Return one record for each tally of which ten seconds have passed. To be called about once a second."""
        self._hear(now)
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

    def _failed(self, door: Digest, now: int) -> Lock | None:
        # Told before the others are heard: of two workers where the last two failures meet, one at least sees the lock begin.
        self._wire.say(Failed(now, door))
        self._hear(now)
        return self._lockouts.failed(door, now)

    def _hear(self, now: int) -> None:
        """Count what others have told, in the order of time as far as it is known."""
        if self._latest > now + PERIOD:  # the clock was set back
            self._latest = 0
        for at, door in self._wire.hear():
            self._latest = max(self._latest, min(at, now))
            self._lockouts.failed(door, self._latest)

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
