"""Removes what is past its retention from the log that this worker writes, at most once an hour, and says so in a record first.

The first worker does it for slots that nobody serves any more, too: their logs are opened for as long as it takes. What may go is decided in
`audit/retention.py`, how it goes in `audit/removal.py`. File work runs on a thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from munjigi.adapters.seal_keys import public_key
from munjigi.app.archiver import archive_of
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.shared_lock import SharedLock
from munjigi.audit import mark, removal, retention, slots
from munjigi.audit.holds import Hold, HoldFiles, named_by_marks, without
from munjigi.audit.journal import Journal
from munjigi.audit.law import law
from munjigi.audit.records import RemovedRecord
from munjigi.audit.seal.reader import sealed_size
from munjigi.kernel.clock import SECOND, Clock
from munjigi.kernel.errors import FailedPrecondition, MunjigiError, Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter
from munjigi.rpc.ports import Durability

_LOGGER: Final = logging.getLogger("munjigi.worker")
_INTERVAL: Final = 3600.0  # seconds between looks
_AGAIN: Final = 60.0  # seconds until another one when something stood in the way
_PAUSE: Final = 0.002  # seconds that long work leaves to the event loop again and again
_STANDSTILL: Final = 31 * 86_400 * SECOND  # longer without a record before a start, and the clock is not believed
_DRIFT: Final = 3600 * SECOND  # by which the clock may leave the machine's own count of time


class Retention:
    """`lock` is held while records are removed, and by whoever places or releases a hold, in whichever worker."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        durability: Durability,
        clock: Clock,
        meter: Meter,
        monotonic: Callable[[], int] = time.monotonic_ns,
        *,
        slot: int = 0,
    ) -> None:
        self.lock = SharedLock(StateFolder(settings.state_dir).run)
        self._unserved_from = settings.workers if slot == 0 else None
        self._segment_bytes = settings.segment_mebibytes << 20
        self._years = settings.retention_years
        self._article = law().rule("access", settings.retention_profile).article
        self._archive = archive_of(settings)
        self._folder = StateFolder(settings.state_dir)
        self._journal = journal
        self._durability = durability
        self._clock = clock
        self._meter = meter
        self._monotonic = monotonic
        self._began = (clock.now(), monotonic())

    async def run(self) -> None:
        """Look now and once an hour, for ever. What stands in the way is an alarm, and looked at again in a minute."""
        while True:
            problem: MunjigiError | None = None
            try:
                await self.step()
            except MunjigiError as error:
                problem = error
            except OSError as error:
                problem = Unavailable("DISK_REFUSED", f"The disk refused ({error.strerror}); look at it and at the archive's.")
            if problem is not None:
                _LOGGER.error("no records are removed", extra={"reason": problem.reason, "help": problem.message})
            self._meter.set(catalogue.RETENTION_FAILING, value=problem is not None)
            await asyncio.sleep(_INTERVAL if problem is None else _AGAIN)

    async def step(self) -> int:
        """Remove what may go; return how many segments that were.

        Raises `Corruption` when holds, log, seal or archive are not as they should be, `Unavailable`, `FailedPrecondition`, `OSError`.
        """
        async with self.lock:
            await asyncio.to_thread(self.drop_released)
            unserved = await asyncio.to_thread(self._unserved)
            for slot, folder in unserved:
                await self._drop_released_of(slot, folder)
            holds = await asyncio.to_thread(self.holds)
            self._meter.set(catalogue.HOLDS, value=len(holds))
            if not self._years:
                return 0
            now = self._clock.now()
            self._require_clock(now)
            cut = law().cut(now, self._years)
            plan = await asyncio.to_thread(self._plan, self._journal.folder, cut, holds)
            count = await self._remove(self._journal, self._durability.durable, plan, cut) if plan is not None else 0
            for slot, folder in unserved:
                plan = await asyncio.to_thread(self._plan, folder, cut, holds)
                if plan is not None:
                    async with self._opened(slot) as journal:
                        count += await self._remove(journal, partial(asyncio.to_thread, journal.sync), plan, cut)
        return count

    async def _remove(self, journal: Journal, durable: Callable[[], Awaitable[None]], plan: retention.Plan, cut: int) -> int:
        """Remove what a plan says from an open log; `durable` waits until its records are. Return how many segments that were."""
        after = journal.next_index
        await asyncio.to_thread(journal.change_mark, lambda known: removal.beginning(known, plan.next_index, after))
        index = journal.append(
            RemovedRecord(
                first_index=plan.first_index,
                next_index=plan.next_index,
                root=plan.root.hex(),
                cut=cut,
                years=self._years,
                article=self._article,
                archived=self._archive is not None,
            )
        )
        await durable()
        count = await asyncio.to_thread(_finish, journal, plan, index)
        self._meter.add(catalogue.RETENTION_REMOVED, amount=count)
        _LOGGER.info(
            "records were removed",
            extra={"log_id": journal.log_id, "first": plan.first_index, "next": plan.next_index, "segments": count},
        )
        return count

    def _unserved(self) -> list[tuple[int, Path]]:
        """Return the slots that no worker has, since there are fewer than there were, and the folders of their logs."""
        if self._unserved_from is None:
            return []
        root = self._folder.journal
        return [
            (slot, root / log_id)
            for slot in slots.known(root)
            if slot >= self._unserved_from
            for log_id in slots.logs_of(root, [slot])
        ]

    async def _drop_released_of(self, slot: int, folder: Path) -> None:
        """Take released holds out of the mark of a log that nobody serves."""
        known = await asyncio.to_thread(mark.read, folder)
        found, _ = await asyncio.to_thread(HoldFiles(self._folder.holds).known)
        released = [each for each in (known.holds if known is not None else ()) if each in found and found[each].released]
        if released:
            async with self._opened(slot) as journal:
                for hold_id in released:
                    await asyncio.to_thread(journal.change_mark, without(hold_id))
            await asyncio.to_thread(self.drop_released)

    @asynccontextmanager
    async def _opened(self, slot: int) -> AsyncIterator[Journal]:
        """Open the log of a slot that nobody serves, for a while. Raises what `Journal.open` does."""
        journal = await asyncio.to_thread(
            Journal.open,
            self._folder.journal,
            slot,
            quarantine=self._folder.quarantine,
            clock=self._clock,
            randomness=b"",  # there is one
            segment_bytes=self._segment_bytes,
            sealed=lambda log_id: sealed_size(self._folder.seal, log_id),
        )
        try:
            yield journal
        finally:
            await asyncio.to_thread(journal.close)

    def holds(self) -> list[Hold]:
        """Return the holds that stand. Raises `Corruption` when one is gone."""
        return HoldFiles(self._folder.holds).standing(named_by_marks(self._folder.journal))

    def drop_released(self) -> None:
        """Take holds that another worker released out of our mark, and forget those that no mark names any more. With `lock` held."""
        files = HoldFiles(self._folder.holds)
        found, _ = files.known()
        for hold_id in [each.hold_id for each in found.values() if each.released]:
            if hold_id in self._journal.mark_holds:
                self._journal.change_mark(without(hold_id))
            if hold_id not in named_by_marks(self._folder.journal):
                files.remove(hold_id)

    def _plan(self, folder: Path, cut: int, holds: list[Hold]) -> retention.Plan | None:
        key = self._folder.keys / "seal.vkey"
        rules = retention.Rules(
            cut,
            lambda begin, end: any(each.covers(begin, end) for each in holds),
            self._archived,
            lambda: time.sleep(_PAUSE),
        )
        return retention.plan(folder, self._folder.seal, public_key(key) if key.exists() else None, rules)

    def _archived(self, path: Path) -> bool:
        return self._archive is None or self._archive.has(path)

    def _require_clock(self, now: int) -> None:
        """Refuse to judge by a clock that may be wrong: what is removed too early can't be brought back.

        Raises `FailedPrecondition`.
        """
        began, counted = self._began
        drift = abs((now - began) - (self._monotonic() - counted))
        before = self._journal.opened_after
        if drift > _DRIFT or began - before > _STANDSTILL:
            raise FailedPrecondition(
                "CLOCK_DOUBTFUL",
                "The clock leapt, or nothing was recorded for more than 31 days before this start, so nobody knows whether records "
                "are as old as they seem: none is removed. Set the clock if it is wrong, then start munjigi again.",
            )


def _finish(journal: Journal, plan: retention.Plan, index: int) -> int:
    journal.change_mark(lambda known: removal.done(known, plan.next_index, index))
    return removal.remove_files(journal.folder, plan.next_index)
