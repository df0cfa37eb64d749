"""The one place where this worker changes the grant table, and where it takes over what others changed.

A change is planned on the newest table and committed at its revision; where another worker or instance came first, it is planned
again, in its turn among all writers. So every plan saw exactly what it was committed on, and none is overtaken twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Final, NamedTuple, Protocol, TypedDict, TypeVar

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
# Another change came first; the last one says so where this worker knew of it before the moment that it planned on.
_RETRIED: Final = frozenset(("STATE_MOVED", "STATE_CONFLICT", "STATE_REWOUND"))
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


class _Made(NamedTuple):
    """The table that decided before, the one afterwards, and what was changed."""

    before: GrantTable
    table: GrantTable
    changed: Changed


class _Origin(TypedDict):
    """Where a change comes from, as a store takes it."""

    at: int
    actor: str
    issuer: str
    request_id: str
    once: Once | None


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
        self._advancing = Lock()
        self._ahead: GrantTable | None = None  # the newest table that one of them made; the loop may still have to put it there

    async def change(self, by: EmployeeKey, request_id: str, body: bytes, plan: Callable[[Book], Plan]) -> Changed:
        """Plan and commit a change, as the port says."""
        digest = hashlib.sha256(body).hexdigest()
        async with self._lock:
            for attempt in range(_ATTEMPTS):
                try:
                    trying = self._in_turn if attempt else self._ahead_of_turn
                    before, table, changed = await self._do(self._writer, trying, by, request_id, digest, plan)
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
        await self.newest()

    async def newest(self) -> GrantTable:
        """Return a table that has all that the store had when this was called.

        Raises `Unavailable` when the store is away.
        """
        before, newer = await self._do(self._reader, self._reloaded)
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

    def _newest(self, moment: Moment | None = None) -> tuple[GrantTable, GrantTable]:
        """Return the table that decides, and that of the store, or of a moment.

        Raises `FailedPrecondition` when the moment, or the store, is older than a table that is known.
        """
        with self._advancing:
            before = self._home.snapshot.grants
            known = self._ahead if self._ahead is not None and self._ahead.revision > before.revision else before
            self._ahead = self._applied(known, (moment or self._store).changes_since(known.revision, _rest))
            return before, self._ahead

    def _reloaded(self, moment: Moment | None = None) -> tuple[GrantTable, GrantTable]:
        """Do as `_newest` does; a store that is older was wound back, and is loaded anew."""
        try:
            return self._newest(moment)
        except FailedPrecondition:
            with self._advancing:
                self._ahead = None
                return self._home.snapshot.grants, load_table(self._store, stays=True)

    def _applied(self, table: GrantTable, changes: list[Change]) -> GrantTable:
        if not changes:
            return table
        table = apply_changes(table, changes, _rest)
        self._settling.note(len(changes))
        return table

    def _ahead_of_turn(self, by: EmployeeKey, request_id: str, digest: str, plan: Callable[[Book], Plan]) -> _Made:
        """Plan while others commit: as a rule nobody does."""
        with self._store.moment() as moment:
            before, table = self._newest(moment)
            if (answer := _answered(moment, by, request_id, digest)) is not None:
                return _Made(before, table, Changed(answer, table.revision))
            planned, origin = self._planned(moment, table, by, request_id, digest, plan)
        return self._made(before, table, planned, self._store.commit(planned.edits, after=table.revision, **origin))

    def _in_turn(self, by: EmployeeKey, request_id: str, digest: str, plan: Callable[[Book], Plan]) -> _Made:
        """Plan while nobody commits."""
        with self._store.turn() as turn:
            before, table = self._reloaded(turn)
            if (answer := _answered(turn, by, request_id, digest)) is not None:
                return _Made(before, table, Changed(answer, table.revision))
            planned, origin = self._planned(turn, table, by, request_id, digest, plan)
            changes = turn.commit(planned.edits, **origin)
        return self._made(before, table, planned, changes)

    def _planned(
        self, moment: Moment, table: GrantTable, by: EmployeeKey, request_id: str, digest: str, plan: Callable[[Book], Plan]
    ) -> tuple[Plan, _Origin]:
        head, now = moment.log_head(), self._clock.now()
        looks = (moment.request, partial(undecided, moment), head.log_id, head.base, moment.reviews)
        planned = plan(Book(table, self._home.snapshot.bundle, now, *looks))
        once = Once(digest, planned.answer) if request_id else None
        return planned, _Origin(at=now, actor=by.subject, issuer=by.issuer, request_id=request_id, once=once)

    def _made(self, before: GrantTable, table: GrantTable, planned: Plan, changes: list[Change]) -> _Made:
        """Return what came of a commit on `table`."""
        with self._advancing:
            if not changes or self._ahead is None or self._ahead.revision < changes[-1].grant_revision:
                self._ahead = self._applied(table, changes)
            revision = changes[-1].grant_revision if changes else table.revision
            return _Made(before, self._ahead, Changed(planned.answer, revision))


def _answered(moment: Moment, by: EmployeeKey, request_id: str, digest: str) -> bytes | None:
    """Return what was answered to the same call before. Raises `AlreadyExists` when that was another call."""
    known = moment.remembered(*by, request_id) if request_id else None
    if known is None:
        return None
    if known.digest != digest:
        raise AlreadyExists("REQUEST_ID_REUSED", "`request_id` was used for something else; use a new one.")
    return known.answer
