"""The one place where this worker changes the grant table, and where it takes over what others changed.

A change is planned on the newest table and committed at its revision; where another worker or instance came first, it is planned
again. So every plan saw exactly what it was committed on, without a lock that reaches over hosts.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from munjigi.app.grant_changes import apply_changes, load_table
from munjigi.app.policy_home import PolicyHome
from munjigi.decision.grant_table import GrantTable
from munjigi.grants.book import Book, Plan
from munjigi.grants.changes import Once
from munjigi.grants.ports import StateStore, undecided
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import AlreadyExists, FailedPrecondition, MunjigiError, Unavailable
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.ports import Changed

_ATTEMPTS: Final = 100
_PAUSE: Final = 0.02  # seconds, at most, times the attempts so far
_RETRIED: Final = frozenset(("STATE_MOVED", "STATE_CONFLICT"))
Answer = TypeVar("Answer")


class Registrar:
    """Implements `rpc.ports.Registrar`. Lives on the event loop; the store is asked in threads."""

    def __init__(self, store: StateStore, home: PolicyHome, clock: Clock) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._lock = asyncio.Lock()
        self._threads = ThreadPoolExecutor(1, "munjigi-registrar")

    async def change(self, by: EmployeeKey, request_id: str, body: bytes, plan: Callable[[Book], Plan]) -> Changed:
        """Plan and commit a change, as the port says."""
        digest = hashlib.sha256(body).hexdigest()
        async with self._lock:
            for attempt in range(_ATTEMPTS):
                try:
                    table, changed = await self._do(self._try, by, request_id, digest, plan)
                except FailedPrecondition as error:
                    if error.reason not in _RETRIED:
                        raise
                    await asyncio.sleep(random.uniform(0, _PAUSE * min(attempt + 1, 10)))  # noqa: S311 - spreads, hides nothing
                    continue
                self._home.set_grants(table)
                return changed
        raise Unavailable("STATE_CONTENDED", "Others change the grant table without a pause; try again.")

    async def look(self, question: Callable[[StateStore], Answer]) -> Answer:
        """Ask the store in another thread."""
        return await asyncio.to_thread(question, self._store)

    async def catch_up(self) -> None:
        """Take over what others changed, unless a change is under way here, which does so, too. A store that was wound back is loaded anew.

        Raises `Unavailable` when the store is away.
        """
        if self._lock.locked():
            return
        async with self._lock:
            table = self._home.snapshot.grants
            newer = await self._do(self._newest, table)
            if newer is not table:
                self._home.set_grants(newer)

    async def _do(self, what: Callable[..., Answer], *arguments: object) -> Answer:
        """Work in a thread of our own: searches may keep all others busy."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, what, *arguments)

    def _newest(self, table: GrantTable) -> GrantTable:
        try:
            changes = self._store.changes_since(table.revision)
        except FailedPrecondition:
            return load_table(self._store)
        return apply_changes(table, changes) if changes else table

    def _try(self, by: EmployeeKey, request_id: str, digest: str, plan: Callable[[Book], Plan]) -> tuple[GrantTable, Changed]:
        table = self._newest(self._home.snapshot.grants)
        if request_id and (before := self._store.remembered(*by, request_id)) is not None:
            if before.digest != digest:
                raise AlreadyExists("REQUEST_ID_REUSED", "`request_id` was used for something else; use a new one.")
            return table, Changed(before.answer, table.revision)
        head = self._store.log_head()
        now = self._clock.now()
        store, bundle = self._store, self._home.snapshot.bundle
        book = Book(table, bundle, now, store.request, partial(undecided, store), head.log_id, head.base)
        try:
            planned = plan(book)
        except MunjigiError:
            if self._store.revision() != table.revision:  # requests are looked up one by one: it saw more than one moment
                raise FailedPrecondition("STATE_MOVED", "Another change came first; look again, and change it then.") from None
            raise
        revision = self._store.apply(
            planned.edits,
            at=now,
            actor=by.subject,
            issuer=by.issuer,
            request_id=request_id,
            after=table.revision,
            once=Once(digest, planned.answer) if request_id else None,
        )
        return self._newest(table), Changed(planned.answer, revision)
