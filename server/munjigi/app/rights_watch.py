"""The follower's job that counts rights: what changes, by the log of permission records, and who holds what, by the state store.

Its counters go on over a restart of the follower without a cursor of their own: each is a function of the store and of what
is counted already, so that a kill between two files can't make it jump.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from munjigi.adapters.state.counts import count_holdings, records_after
from munjigi.adapters.state.holdings import StoredHoldings
from munjigi.adapters.state.store import SqlStateStore
from munjigi.app.files import StateFolder
from munjigi.app.state import has_state, read_state
from munjigi.audit.permission_records import PersonRecord, SessionEndedRecord
from munjigi.audit.records import AnyRecord, decode
from munjigi.audit.schema.catalogue import BY_RECORD
from munjigi.kernel.clock import Clock
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter
from munjigi.monitoring.metric import Metric

_PIECE: Final = 500  # records
_RECORDS_SECONDS: Final = 1.0  # between looks at the log
_HOLDINGS_SECONDS: Final = 5.0  # between counts of who holds what, at least
_SHARE: Final = 100  # a count takes no more than one part in so many of the time
_PEOPLE: Final = ("active", "leave", "left")


class RightsWatch:
    """Count rights. Implements `app.jobs.Job`. `counted` tells what a counter of this process adds up to in the metric files.

    `since` is when the daemon started (UTC nanoseconds): what was before is not counted.
    """

    name = "rights"

    def __init__(self, folder: StateFolder, clock: Clock, meter: Meter, counted: Callable[[Metric], float], since: int) -> None:
        self._folder = folder
        self._clock = clock
        self._meter = meter
        self._since = since
        self._changes = int(counted(catalogue.PERMISSION_CHANGES))
        self._expired = int(counted(catalogue.GRANT_EXPIRIES))
        self._store: SqlStateStore | None = None
        self._revision: int | None = None  # the last one that is counted
        self._looks_at = self._counts_at = 0.0  # by the monotonic clock

    async def step(self) -> bool:
        """Count what is due."""
        if time.monotonic() < self._looks_at or not has_state(self._folder):
            return False
        return await asyncio.to_thread(self._look)

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _look(self) -> bool:
        store = self._store = self._store or read_state(self._folder)
        came = self._read(store)
        if not came:
            self._looks_at = time.monotonic() + _RECORDS_SECONDS
        if time.monotonic() >= self._counts_at:
            began = time.monotonic()
            self._count(store)
            self._counts_at = time.monotonic() + max(_HOLDINGS_SECONDS, _SHARE * (time.monotonic() - began))
        return came

    def _read(self, store: SqlStateStore) -> bool:
        """Count a piece of the log; tell whether there may be more of it."""
        if self._revision is None:
            self._revision = store.revision_at(self._since - 1) + self._changes
        found = records_after(store, self._revision, _PIECE)
        for payload in found:
            record = decode(payload)
            if ended := _ended_session(record):
                self._meter.add(catalogue.SESSIONS_ENDED, ended)
            self._meter.add(catalogue.PERMISSION_CHANGES, BY_RECORD[type(record)].name)
        self._revision += len(found)
        return len(found) == _PIECE

    def _count(self, store: SqlStateStore) -> None:
        now = self._clock.now()
        found = count_holdings(store, self._since, now)
        put = self._meter.set
        for state, count in found.grants.items():
            put(catalogue.GRANTS, state, value=count)
        for within, count in found.ending.items():
            put(catalogue.GRANTS_ENDING, within, value=count)
        for status in _PEOPLE:
            put(catalogue.PEOPLE, status, value=found.people.get(status, 0))
        put(catalogue.BREAK_GLASS_ACTIVE, value=found.break_glass)
        new = max(0, found.expired - self._expired)  # a clock that steps back takes nothing back
        self._meter.add(catalogue.GRANT_EXPIRIES, amount=new)
        self._expired += new
        waiting = overdue = reviews = oldest = 0
        for request in StoredHoldings(store).undecided():
            if request.kind == "break_glass":
                reviews += 1
                overdue += request.lapses_at <= now
            else:
                waiting += 1
                oldest = min(oldest or request.made_at, request.made_at)
        put(catalogue.ACCESS_REQUESTS, "requested", value=waiting)
        put(catalogue.ACCESS_REQUESTS, "review", value=reviews)
        put(catalogue.ACCESS_REQUEST_OLDEST, value=oldest / 1e9)
        put(catalogue.BREAK_GLASS_OVERDUE, value=overdue)


def _ended_session(record: AnyRecord) -> str:
    """Tell why a record ended sessions; empty when it ended none."""
    if isinstance(record, SessionEndedRecord):
        return "logout"
    left = isinstance(record, PersonRecord) and record.personnel_event == "leaver" and record.status == "left"
    return "leaver" if left else ""
