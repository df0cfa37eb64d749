"""Ask the trail and the kept history without holding up the event loop; a search waits until the index has caught up."""

from __future__ import annotations

import asyncio
from typing import Final

from munjigi.audit.ports import RecordSearch
from munjigi.audit.records import AccessRecord, decode
from munjigi.decision.snapshot import Snapshot
from munjigi.kernel.errors import InvalidArgument, Unavailable
from munjigi.rpc.ports import History, Trail

_WAIT_SECONDS: Final = 5.0
_FIRST_STEP: Final = 0.02  # seconds; doubles up to the longest
_LONGEST_STEP: Final = 0.2


async def durable_everywhere(trail: Trail, own: dict[str, int], reading: asyncio.Semaphore) -> dict[str, int]:
    """Return the number of durable records of every log: `own`, what was so of ours, and of those that other workers write."""
    if trail.alone:
        return own
    async with reading:
        return {**await asyncio.to_thread(trail.ends), **own}


async def caught_up(index: RecordSearch, durable: dict[str, int], reading: asyncio.Semaphore) -> bool:
    """Wait until a search finds what was durable; False when it did not within five seconds.

    Raises `Unavailable` when the index could not be asked until then.
    """
    deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
    step = _FIRST_STEP
    missing = dict(durable)
    while True:
        problem: Unavailable | None = None
        try:
            async with reading:
                missing = await asyncio.to_thread(_missing, index, missing)
        except Unavailable as error:  # the follower has just begun, or the cluster is restarting
            problem = error
        if problem is None and not missing:
            return True
        if asyncio.get_running_loop().time() > deadline:
            if problem is not None:
                raise problem
            return False
        await asyncio.sleep(step)
        step = min(2 * step, _LONGEST_STEP)


def _missing(index: RecordSearch, durable: dict[str, int]) -> dict[str, int]:
    """Return the logs of which a search does not find everything yet. Blocks."""
    return {log_id: below for log_id, below in durable.items() if not index.holds(log_id, below)}


class Past:
    """Recorded decisions, and the snapshots that made them."""

    def __init__(self, history: History, index: RecordSearch, trail: Trail) -> None:
        self._history = history
        self._index = index
        self._trail = trail
        self._reading = asyncio.Semaphore(2)  # what follows grants and policy must find a thread free

    async def record(self, log_id: str, index: int) -> AccessRecord | None:
        """Return the record of a decision, out of its log; None when there is none."""
        async with self._reading:
            payload = await asyncio.to_thread(self._trail.record, log_id, index)
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
        await self._wait(await durable_everywhere(self._trail, self._trail.durable(), self._reading))
        async with self._reading:
            return await asyncio.to_thread(self._history.at, at)

    async def source_of(self, policy_revision: str) -> str:
        """Return where a bundle came from when it first decided here; empty when that is not known."""
        async with self._reading:
            return await asyncio.to_thread(self._history.source_of, policy_revision)

    async def _wait(self, durable: dict[str, int]) -> None:
        if not await caught_up(self._index, durable, self._reading):
            raise Unavailable("AUDIT_INDEX_BEHIND", "The audit index has not caught up with the trail; try again in a moment.")
