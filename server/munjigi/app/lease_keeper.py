"""Follows the grants, keeps this worker's lease, and waits until a revision is true everywhere (promise P8).

In this order, for each change of the store: the snapshot is replaced; every answer that was decided before has been sent, since
all of them wait in the journal's queue, or are decided again where they don't (`rpc/streams.py`, `Pipeline`); the lease says
that the revision is applied. While the lease holds, each revision that anybody was told of is applied here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from munjigi.app.lease import Others, OwnLease
from munjigi.grants.ports import LeaseRow, Leases, LeaseStore
from munjigi.kernel.clock import SECOND, Clock
from munjigi.kernel.errors import ConfigurationError, MunjigiError, Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter
from munjigi.rpc.ports import Applied, Durability, SnapshotSource

POLL_SECONDS: Final = 0.2  # between looks at the store's log
_REST_SECONDS: Final = 0.05  # between looks, at least: each costs a renewal
_WAIT_SECONDS: Final = 0.02  # between looks at the others' leases, while somebody waits for them
_LOGGER: Final = logging.getLogger("munjigi.worker")
_CLOCK: Final = time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC
T = TypeVar("T")


def boot_time() -> int:
    """Return nanoseconds of a clock that nobody sets, and that goes on while a machine is asleep, where there is one."""
    return time.clock_gettime_ns(_CLOCK)


class LeaseKeeper:
    """The lease of the worker whose journal is `instance`; implements `rpc.ports.Lease` and `Acknowledger`. Lives on the event loop."""

    def __init__(
        self,
        store: LeaseStore,
        instance: str,
        seconds: float,
        home: SnapshotSource,
        catch_up: Callable[[], Awaitable[None]],
        durability: Durability,
        clock: Clock,
        meter: Meter,
        monotonic: Callable[[], int] = boot_time,
    ) -> None:
        self._store = store
        self._instance = instance
        self._own = OwnLease(int(seconds * SECOND))
        self._others = Others()
        self._home = home
        self._catch_up = catch_up
        self._durability = durability
        self._clock = clock
        self._meter = meter
        self._monotonic = monotonic
        self._row = LeaseRow(instance, 0, 0, self._own.length)
        self._renewed_at = 0
        self._held = False
        self._changed = asyncio.Event()
        self._skewed = False
        self._ended = False
        self._next_look: asyncio.Future[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        # Its own thread: searches may keep all others busy for longer than a lease holds.
        self._threads = ThreadPoolExecutor(1, "munjigi-lease")

    def refusal(self) -> Unavailable | None:
        """Return why nothing may be answered now; None while the lease holds."""
        if self._own.holds(self._monotonic()):
            return None
        if self._skewed:
            return _skewed()
        return Unavailable(
            "STATE_UNREACHABLE",
            "This worker has not reached the state store for longer than its lease holds, so it can't tell who was revoked; "
            "look at the store, and try again.",
        )

    async def begin(self) -> None:
        """Get the first lease, with everything applied that is in the store.

        Raises `ConfigurationError` when this machine's clock is not the store's, `Unavailable` when the store is away.
        """
        while not await self._renew(self._home.snapshot.grants.revision):
            if self._skewed:
                raise ConfigurationError("CLOCK_SKEWED", f"Refusing to start: {_skewed().message}")
            await self._catch_up()

    async def run(self) -> None:
        """Follow and renew, for ever. A store that is away is looked for again; whatever else fails ends the worker."""
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                await self._catch_up()
                await self._publish()
            except Unavailable as error:
                self._note(error, self._monotonic())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), POLL_SECONDS)
            await asyncio.sleep(began + _REST_SECONDS - clock())  # changes that come fast are followed together
            self._changed.clear()

    def look(self) -> None:
        """Look at the store now: somebody heard that there is something new."""
        self._changed.set()

    async def wait_applied(self, revision: int) -> Applied:
        """Return when every worker has applied `revision`, or can't answer by what was before: its lease has run out.

        Raises `Unavailable` when the store can't be reached.
        """
        began = self._monotonic()
        self._changed.set()
        while True:
            asked = self._monotonic()  # before the leases are read: what is renewed while this loop is held up has not run out
            await self._seen()
            if not self._others.behind(revision, asked):
                return Applied((self._monotonic() - began) / SECOND, self._others.run_out(asked))

    async def end(self) -> bool:
        """Let go of the lease: nothing is answered any more. A second call does nothing.

        Tell whether the store let it be: one that hangs is waited for as long as the lease holds, which then ends by itself.
        """
        if self._ended:
            return True
        self._ended = True
        if self._looking is not None:
            self._looking.cancel()
        hangs = False
        try:
            await asyncio.wait_for(self._do(self._store.end_lease, self._row), self._own.length / SECOND)
        except MunjigiError:
            pass  # it is away
        except TimeoutError:
            hangs = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        return not hangs

    async def _seen(self) -> None:
        """Return when the leases were read, in a reading that began after this call; whoever waits shares it."""
        if self._next_look is None:
            self._next_look = asyncio.get_running_loop().create_future()
            if self._looking is None or self._looking.done():
                self._looking = asyncio.ensure_future(self._look_for_all())
        await asyncio.shield(self._next_look)

    async def _look_for_all(self) -> None:
        while (waiting := self._next_look) is not None:
            self._next_look = None
            try:
                self._see(await self._do(self._store.leases))
                waiting.set_result(None)
            except MunjigiError as error:
                waiting.set_exception(error)
                waiting.exception()  # seen, even if nobody waits any more
            await asyncio.sleep(_WAIT_SECONDS)

    async def _publish(self) -> None:
        """Say that a new revision is applied, or renew in time."""
        revision = self._home.snapshot.grants.revision
        late = self._monotonic() - self._renewed_at > self._own.length // 3
        if revision != self._row.applied or late or not self._held:
            await self._durability.durable()  # behind all that was decided by an older table
            await self._renew(revision)

    async def _renew(self, applied: int) -> bool:
        """Renew the lease; tell whether it holds."""
        row = self._row._replace(applied=applied, renewal=secrets.randbits(62))
        sent, before = self._monotonic(), self._clock.now()
        leases = await self._do(self._store.renew_lease, row)
        arrived, after = self._monotonic(), self._clock.now()
        self._row, self._renewed_at = row, sent
        self._see(leases)
        self._skewed = max(before - leases.now, leases.now - after) > self._own.length
        self._note(None, arrived)  # what ran out since anybody looked is told, even if it comes back now
        held = not self._skewed and self._own.renewed(sent, arrived, applied, leases.grant_revision)
        self._note(None, arrived)
        for gone in self._others.gone(arrived):
            await self._do(self._store.end_lease, gone)
        return held

    def _see(self, leases: Leases) -> None:
        self._others.see(leases.rows, self._monotonic())

    def _note(self, error: Unavailable | None, now: int) -> None:
        """Tell the operator when the lease has run out, and when it holds again."""
        held = self._own.holds(now)
        if held is not self._held:
            if self._held:
                self._meter.add(catalogue.LEASE_LAPSES)
                reason = error.reason if error is not None else "CLOCK_SKEWED" if self._skewed else "LATE"
                _LOGGER.error("the lease has run out; nothing is answered", extra={"reason": reason})
            else:
                _LOGGER.info("the lease holds", extra={"grant_revision": self._row.applied})
            self._held = held

    async def _do(self, what: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, what, *arguments)


def _skewed() -> Unavailable:
    return Unavailable(
        "CLOCK_SKEWED",
        "This machine's clock and the state store's differ by more than a lease holds, and grants would begin and end at other "
        "times here than elsewhere; synchronise both (chrony, timesyncd).",
    )
