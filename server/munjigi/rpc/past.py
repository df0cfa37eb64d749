"""Ask the trail and the kept history without holding up the event loop, after the index has caught up."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from munjigi.audit.ports import AuditIndex
from munjigi.audit.records import AccessRecord, decode
from munjigi.decision.snapshot import Snapshot
from munjigi.kernel.errors import InvalidArgument, Unavailable
from munjigi.rpc.ports import History, Trail

_WAIT_SECONDS: Final = 5.0
_STEP_SECONDS: Final = 0.02


async def caught_up(index: AuditIndex, durable: dict[str, int], reading: asyncio.Semaphore) -> bool:
    """Wait until the index has what was durable; False when it did not within five seconds."""
    deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
    while True:
        with contextlib.suppress(Unavailable):  # the follower has just begun; a search that finds no index says so
            async with reading:
                cursors = await asyncio.to_thread(lambda: {log_id: index.cursor(log_id) for log_id in durable})
            if all(cursors[log_id] >= count for log_id, count in durable.items()):
                return True
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_STEP_SECONDS)


class Past:
    """Recorded decisions, and the snapshots that made them."""

    def __init__(self, history: History, index: AuditIndex, trail: Trail) -> None:
        self._history = history
        self._index = index
        self._trail = trail
        self._reading = asyncio.Semaphore(2)  # what follows grants and policy must find a thread free

    async def record(self, log_id: str, index: int) -> AccessRecord | None:
        """Return the record of a decision; None when there is none.

        Raises `Unavailable` when the index does not catch up with it.
        """
        if index < self._trail.durable().get(log_id, 0):
            await self._wait({log_id: index + 1})
        async with self._reading:
            payload = await asyncio.to_thread(self._index.payload, log_id, index)
        record = decode(payload) if payload is not None else None
        return record if isinstance(record, AccessRecord) else None

    async def decided_by(self, record: AccessRecord) -> Snapshot:
        """Return the snapshot that decided.

        Raises `FailedPrecondition` `HISTORY_NOT_KEPT` when it is not here any more.
        """
        async with self._reading:
            return await asyncio.to_thread(self._history.decided_by, record.policy_revision, record.grant_revision)

    async def at(self, at: int, now: int) -> Snapshot:
        """Return what was in force at `at`.

        Raises `InvalidArgument` for a time after `now` (UTC nanoseconds), and what `History.at` raises.
        """
        if at > now:
            raise InvalidArgument("TIME_IN_FUTURE", "`at` lies in the future; ask for a time that has passed, or leave it out.")
        await self._wait(self._trail.durable())
        async with self._reading:
            return await asyncio.to_thread(self._history.at, at)

    async def source_of(self, policy_revision: str) -> str:
        """Return where a bundle came from when it first decided here; empty when that is not known."""
        async with self._reading:
            return await asyncio.to_thread(self._history.source_of, policy_revision)

    async def _wait(self, durable: dict[str, int]) -> None:
        if not await caught_up(self._index, durable, self._reading):
            raise Unavailable("AUDIT_INDEX_BEHIND", "The audit index has not caught up with the trail; try again in a moment.")
