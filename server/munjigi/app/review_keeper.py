"""The follower's job around reviews: it counts them, and under its duty plans what is due and applies what is decided.

Nothing of it needs a fence of its own: a review of a kind that runs refuses another, and each commit of a run is planned on the revision that
it is committed at, so that two hosts which go on at once do nothing twice.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Coroutine
from typing import Final

from munjigi.adapters.state.counts import grants_in_force
from munjigi.adapters.state.store import SqlStateStore
from munjigi.app.config import Settings
from munjigi.app.duty import Duty
from munjigi.app.files import StateFolder
from munjigi.app.folder_place import FolderPlace
from munjigi.app.grant_changes import load_table
from munjigi.app.policy_in_force import PolicyInForce
from munjigi.app.record_search import FolderLogs, record_search
from munjigi.app.registrar import Registrar
from munjigi.app.review_counts import Moment, count, due_at
from munjigi.app.review_plans import ReviewPlans
from munjigi.app.review_watching import ReviewWatching
from munjigi.app.state import has_state
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Book, Plan
from munjigi.grants.review_ports import ReviewFilter
from munjigi.kernel.clock import Clock, SystemClock
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import Review
from munjigi.monitoring.meter import Meter
from munjigi.policy.types import PolicyBundle
from munjigi.review.apply import SPIKE, step
from munjigi.review.campaign import looks, open_review
from munjigi.review.encoding import decode_plan
from munjigi.review.kept import KeptPlans
from munjigi.review.orders import ReviewOrder
from munjigi.review.schedule import at_work
from munjigi.review.settings import ReviewRow, rows_of

SCHEDULE: Final = EmployeeKey("", "munjigi.reviews")  # whose changes they are: nobody's account
_NOBODY: Final = EmployeeKey("", "")
_LOGGER: Final = logging.getLogger("munjigi.review")
_PAUSE: Final = 10.0  # seconds between looks, at least
_SHARE: Final = 50  # a look takes no more than one part in so many of the time
_AGAIN: Final = 3600.0  # seconds until what was refused is tried again
_PIECE: Final = 100  # items of one commit
PACE: Final = 0.35  # after a commit, others have this share of what it took: SQLite's writers don't queue, and leases are renewed


class _Home:
    """The table that a run is planned on, while there is one."""

    def __init__(self, bundle: PolicyBundle, grants: GrantTable) -> None:
        self.snapshot = Snapshot(bundle, grants)

    def set_grants(self, grants: GrantTable) -> None:
        """Go on with another table."""
        self.snapshot = Snapshot(self.snapshot.bundle, grants)


class ReviewKeeper:
    """Count, plan, apply. Implements `app.jobs.Job`. Without a duty it only counts."""

    name = "reviews"

    def __init__(
        self,
        folder: StateFolder,
        place: FolderPlace,
        policy: PolicyInForce,
        planner: ReviewPlans,
        watching: ReviewWatching,
        duty: Duty | None,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._folder = folder
        self._place = place
        self._policy = policy
        self._planner = planner
        self._watching = watching
        self._duty = duty
        self._clock = clock
        self._meter = meter
        self._plans = KeptPlans()
        self._home: _Home | None = None
        self._registrar: Registrar | None = None
        self._going = False  # in the midst of a run
        self._looks_at = 0.0  # by the monotonic clock
        self._refused: dict[str, float] = {}  # by kind or review: until when it is left alone

    async def step(self) -> bool:
        """Look, when it is time; tell whether a run has more to do at once."""
        if time.monotonic() < self._looks_at or not has_state(self._folder):
            return False
        bundle = await asyncio.to_thread(self._policy.bundle)
        if bundle is None:
            return False
        began, went = time.monotonic(), self._going
        if not went:
            await asyncio.to_thread(self._count, bundle)
        more = self._going = await self._go_on(bundle) if self._duty is not None and self._duty.fence else False
        if more:
            await asyncio.sleep(PACE * (time.monotonic() - began))
            return True
        if went:
            await asyncio.to_thread(self._count, bundle)
        await self._let_go()
        self._looks_at = time.monotonic() + max(_PAUSE, _SHARE * (time.monotonic() - began))
        return False

    def close(self) -> Awaitable[None] | None:
        """Let go of everything, and leave the duty to others."""
        if self._duty is not None:
            self._duty.end()
        self._watching.close()
        self._place.close()
        return self._let_go() if self._registrar is not None else None

    def _count(self, bundle: PolicyBundle) -> None:
        store, now = self._place.store, self._clock.now()
        in_force = grants_in_force(store, now)
        with store.moment() as moment:
            seen = Moment(moment.reviews, self._plans, bundle, in_force, _began(store), now, self._watching.closable)
            count(seen, self._meter)

    async def _go_on(self, bundle: PolicyBundle) -> bool:
        """Open what is due, and take a step in what runs; tell whether there is more at once."""
        now = self._clock.now()
        if not at_work(bundle.calendar, now):
            return False
        due, running = await asyncio.to_thread(self._due, bundle, now)
        for row in due:
            await self._tried(row.kind, self._open(bundle, row))
        more = False
        for review in running:
            more = await self._tried(review.review_id, self._stepped(bundle, review)) or more
        return more

    def _due(self, bundle: PolicyBundle, now: int) -> tuple[list[ReviewRow], list[Review]]:
        """Return the kinds that are due, and the reviews in which something may be done by itself."""
        store = self._place.store
        due, running = [], []
        with store.moment() as moment:
            for row in rows_of(bundle).values():
                newest = next(iter(moment.reviews.reviews(ReviewFilter(row.kind, limit=1))), None)
                if newest is not None and (newest.running or (newest.state == "stopped" and newest.why == SPIKE)):
                    running.append(newest)
                elif due_at(row, bundle, _began(store), newest, now):
                    due.append(row)
        return due, running

    async def _open(self, bundle: PolicyBundle, row: ReviewRow) -> bool:
        made = await self._planner.made(ReviewOrder(row.kind, self._clock.now()))
        digest = await asyncio.to_thread(self._place.store.keep_plan, made.plan)
        planned, review_id = await asyncio.to_thread(decode_plan, made.plan), f"rv-{secrets.token_hex(8)}"

        def plan(book: Book) -> Plan:
            return Plan(open_review(book, planned, row, review_id, _NOBODY, digest=digest).edits, b"")

        registrar, _ = await self._changes(bundle)
        await registrar.change(SCHEDULE, "", b"", plan)
        _LOGGER.info("a review is open", extra={"kind": row.kind, "review": review_id, "items": len(planned.items)})
        return False

    async def _stepped(self, bundle: PolicyBundle, review: Review) -> bool:
        if review.state == "open" and self._clock.now() < review.schedule.apply_from:
            return False
        registrar, home = await self._changes(bundle)
        more = False

        def plan(book: Book) -> Plan:
            nonlocal more
            found = looks(book).review(review.review_id)
            assert found is not None  # a review is never removed
            if not found.running and found.why != SPIKE:
                more = False
                return Plan((), b"")
            done = step(book, found, self._plans.of(looks(book), found.plan_digest), self._watching.watch(home.snapshot), _PIECE)
            more = done.more
            return Plan(done.edits, b"")

        await registrar.change(SCHEDULE, "", b"", plan)
        return more

    async def _changes(self, bundle: PolicyBundle) -> tuple[Registrar, _Home]:
        """Return what changes are made with, and the table that they are planned on: both go on as long as a run has more to do."""
        if self._registrar is None or self._home is None or self._home.snapshot.bundle is not bundle:
            await self._let_go()
            self._home = _Home(bundle, await asyncio.to_thread(load_table, self._place.store))
            self._registrar = Registrar(self._place.store, self._home, self._clock)
        return self._registrar, self._home

    async def _let_go(self) -> None:
        """Forget the table: a million grants are carried about only while they are needed."""
        if self._registrar is not None:
            await self._registrar.close()
        self._registrar = self._home = None

    async def _tried(self, what: str, work: Coroutine[None, None, bool]) -> bool:
        """Do it, unless it was refused lately; say once why it is refused."""
        if time.monotonic() < self._refused.get(what, 0.0):
            work.close()
            return False
        try:
            return await work
        except (FailedPrecondition, InvalidArgument) as error:
            self._refused[what] = time.monotonic() + _AGAIN
            _LOGGER.warning("a review does not go on", extra={"what": what, "reason": error.reason, "help": error.message})
            return False


def _began(store: SqlStateStore) -> int:
    """Return when the installation's first permission was recorded (UTC nanoseconds)."""
    first = store.log_rows(0, 1)
    return first[0].at if first else 0


def review_keeper(settings: Settings, folder: StateFolder, place: FolderPlace, duty: Duty | None, meter: Meter) -> ReviewKeeper:
    """Put the job together."""
    clock = SystemClock()
    watching = ReviewWatching(folder, record_search(settings, folder, FolderLogs(folder)), clock.now)
    return ReviewKeeper(folder, place, PolicyInForce(folder), ReviewPlans(str(folder.root)), watching, duty, clock, meter)
