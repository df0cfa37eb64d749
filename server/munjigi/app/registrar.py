"""The one place where this worker changes the grant table, and where it takes over what others changed.

A change is planned on the newest table and committed at its revision; where another worker or instance came first, it is planned
again. So every plan saw exactly what it was committed on, without a lock that reaches over hosts.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Protocol, TypeVar

from munjigi.app.grant_changes import Settling, apply_changes, load_table
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Book, Plan
from munjigi.grants.changes import Change, Once
from munjigi.grants.ports import Moment, StateStore, undecided
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import AlreadyExists, FailedPrecondition, Unavailable
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.ports import Changed

_REST: Final = 0.001  # seconds, between parts of many changes
_ATTEMPTS: Final = 100
_PAUSE: Final = 0.02  # seconds, at most, times the attempts so far
_RETRIED: Final = frozenset(("STATE_MOVED", "STATE_CONFLICT"))
Answer = TypeVar("Answer")


def _rest() -> None:
    """Let the event loop have the interpreter: it waits 5 ms for a thread that does not let go by itself, several times a call."""
    time.sleep(_REST)


class Home(Protocol):
    """Where the table that decides is kept."""

    @property
    def snapshot(self) -> Snapshot:
        """The current one."""
        ...

    def set_grants(self, grants: GrantTable) -> None:
        """Decide by another table from now on."""
        ...


class Registrar:
    """Implements `rpc.ports.Registrar`. Lives on the event loop; the store is asked in threads."""

    def __init__(self, store: StateStore, home: Home, clock: Clock) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._lock = asyncio.Lock()
        self._settling = Settling()
        # Two threads of our own, since searches may keep all others busy: a change may wait for its turn among writers for seconds,
        # and what others revoked is taken over meanwhile (promise P8).
        self._writer = ThreadPoolExecutor(1, "munjigi-registrar")
        self._reader = ThreadPoolExecutor(1, "munjigi-catch-up")
        self._applying = False

    async def change(self, by: EmployeeKey, request_id: str, body: bytes, plan: Callable[[Book], Plan]) -> Changed:
        """Plan and commit a change, as the port says."""
        digest = hashlib.sha256(body).hexdigest()
        async with self._lock:
            for attempt in range(_ATTEMPTS):
                try:
                    before, table, changed = await self._do(self._writer, self._try, by, request_id, digest, plan)
                except FailedPrecondition as error:
                    if error.reason not in _RETRIED:
                        raise
                    await asyncio.sleep(random.uniform(0, _PAUSE * min(attempt + 1, 10)))  # noqa: S311 - spreads, hides nothing
                    continue
                self._put(table, before)
                return changed
        raise Unavailable("STATE_CONTENDED", "Others change the grant table without a pause; try again.")

    async def look(self, question: Callable[[StateStore], Answer]) -> Answer:
        """Ask the store in another thread."""
        return await asyncio.to_thread(question, self._store)

    async def catch_up(self) -> None:
        """Take over what others changed, whatever change waits here. A store that was wound back is loaded anew.

        Raises `Unavailable` when the store is away.
        """
        if not self._applying:  # a change does so, too, within a moment
            await self.newest()

    async def newest(self) -> GrantTable:
        """Return a table that has all that the store had when this was called.

        Raises `Unavailable` when the store is away.
        """
        before, newer = await self._do(self._reader, self._look)
        self._put(newer, before)
        return self._home.snapshot.grants

    async def close(self) -> None:
        """End the threads, once what is under way in them is done; nothing can be changed any more. The store stays open."""
        for threads in (self._writer, self._reader):
            await asyncio.to_thread(threads.shutdown)

    async def _do(self, threads: ThreadPoolExecutor, what: Callable[..., Answer], *arguments: object) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(threads, what, *arguments)

    def _put(self, table: GrantTable, before: GrantTable) -> None:
        """Decide by a table that was made out of `before`, unless a newer one was put there meanwhile."""
        now = self._home.snapshot.grants
        if table is not now and (now is before or table.revision > now.revision):
            self._home.set_grants(table)

    def _look(self) -> tuple[GrantTable, GrantTable]:
        before = self._home.snapshot.grants
        return before, self._newest(before)

    def _newest(self, table: GrantTable, moment: Moment | None = None) -> GrantTable:
        try:
            changes = (moment or self._store).changes_since(table.revision, _rest)
        except FailedPrecondition:
            return load_table(self._store, stays=True)
        return self._applied(table, changes)

    def _applied(self, table: GrantTable, changes: list[Change]) -> GrantTable:
        if not changes:
            return table
        table = apply_changes(table, changes, _rest)
        self._settling.note(len(changes))
        return table

    def _try(
        self, by: EmployeeKey, request_id: str, digest: str, plan: Callable[[Book], Plan]
    ) -> tuple[GrantTable, GrantTable, Changed]:
        """Return the table that this began with, the one afterwards, and what was changed."""
        with self._store.moment() as moment:
            before = self._home.snapshot.grants
            table = self._newest(before, moment)
            if request_id and (answered := moment.remembered(*by, request_id)) is not None:
                if answered.digest != digest:
                    raise AlreadyExists("REQUEST_ID_REUSED", "`request_id` was used for something else; use a new one.")
                return before, table, Changed(answered.answer, table.revision)
            head = moment.log_head()
            now = self._clock.now()
            bundle = self._home.snapshot.bundle
            looks = (moment.request, partial(undecided, moment), head.log_id, head.base, moment.reviews)
            planned = plan(Book(table, bundle, now, *looks))
        changes = self._store.commit(
            planned.edits,
            at=now,
            actor=by.subject,
            issuer=by.issuer,
            request_id=request_id,
            after=table.revision,
            once=Once(digest, planned.answer) if request_id else None,
        )
        self._applying = True
        try:
            table = self._applied(table, changes)
        finally:
            self._applying = False
        return before, table, Changed(planned.answer, table.revision)
