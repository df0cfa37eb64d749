"""Legal holds are placed and released: each is in force from before it is acknowledged until after its release is recorded.

Placing: file, mark, record, acknowledgement. Releasing: record, mark, file, acknowledgement. A kill in between leaves a hold
that stands; one whose record was not made durable is recorded at the next start.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from msgspec.structs import replace

from munjigi.app.files import StateFolder
from munjigi.app.retention import Retention
from munjigi.audit.holds import MOST, Hold, HoldFiles, named_by_marks, naming, without
from munjigi.audit.journal import Journal
from munjigi.audit.records import HoldRecord, ReleaseRecord
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import AlreadyExists, FailedPrecondition, NotFound
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.ids import record_id
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter
from munjigi.rpc.ports import Durability

_ID_BYTES: Final = 8


class Holds:
    """Implements `rpc.ports.HoldKeeper` over the files of the state folder and the journal of this worker."""

    def __init__(
        self, folder: StateFolder, journal: Journal, durability: Durability, retention: Retention, clock: Clock, meter: Meter
    ) -> None:
        self._files = HoldFiles(folder.holds)
        self._folder = folder
        self._journal = journal
        self._durability = durability
        self._retention = retention
        self._clock = clock
        self._meter = meter

    async def settle(self) -> None:
        """Record, and name in the mark, what a kill left unrecorded. Raises `Unavailable`."""
        async with self._retention.lock:
            await asyncio.to_thread(self._retention.drop_released)
            found = await asyncio.to_thread(self._standing)
            named = await asyncio.to_thread(named_by_marks, self._folder.journal)
            for hold in found.values():
                if hold.hold_id not in named:
                    await asyncio.to_thread(self._journal.change_mark, naming(hold.hold_id))
                if not hold.record:
                    await self._record(hold)

    async def place(self, employee: EmployeeKey, reason: str, from_time: int, to_time: int, request_id: str) -> Hold:
        """Place a hold and return it. The same request, while its hold stands, gets the same hold."""
        async with self._retention.lock:
            found = await asyncio.to_thread(self._standing)
            for each in found.values():
                if request_id and (each.request_id, each.issuer, each.employee) == (request_id, *employee):
                    if (each.reason, each.from_time, each.to_time) != (reason, from_time, to_time):
                        raise AlreadyExists("REQUEST_ID_REUSED", "`request_id` was used for another hold; use a new one.")
                    return each
            if len(found) >= MOST:
                raise FailedPrecondition("TOO_MANY_HOLDS", f"{MOST} legal holds stand; release one that another one covers.")
            hold = Hold(
                hold_id=f"hold-{secrets.token_hex(_ID_BYTES)}",
                from_time=from_time,
                to_time=to_time,
                reason=reason,
                issuer=employee.issuer,
                employee=employee.subject,
                request_id=request_id,
                placed_at=self._clock.now(),
            )
            await asyncio.to_thread(self._files.put, hold)
            await asyncio.to_thread(self._journal.change_mark, naming(hold.hold_id))
            hold = await self._record(hold)
            self._meter.set(catalogue.HOLDS, value=len(found) + 1)
            return hold

    async def release(self, employee: EmployeeKey, hold_id: str, reason: str, request_id: str) -> str:
        """Release a hold, one whose file is gone or damaged too, and return the id of the record of it."""
        async with self._retention.lock:
            found, damaged = await asyncio.to_thread(self._files.known)
            named = await asyncio.to_thread(named_by_marks, self._folder.journal)
            known = found.keys() | named | {path.stem for path in damaged}
            if hold_id not in known or (hold_id in found and found[hold_id].released):
                raise NotFound("HOLD_UNKNOWN", "No legal hold of this id stands; `munjigi audit holds` lists them.")
            index = self._journal.append(
                ReleaseRecord(
                    issuer=employee.issuer, employee=employee.subject, request_id=request_id, hold_id=hold_id, reason=reason
                )
            )
            await self._durability.durable()
            record = record_id(self._journal.log_id, index)
            await asyncio.to_thread(self._journal.change_mark, without(hold_id))
            if hold_id in await asyncio.to_thread(named_by_marks, self._folder.journal):  # by the mark of another worker
                hold = found.get(hold_id) or Hold(hold_id=hold_id, reason="", issuer="", employee="", placed_at=0)
                await asyncio.to_thread(self._files.put, replace(hold, released=record))
            else:
                await asyncio.to_thread(self._files.remove, hold_id)
            standing = await asyncio.to_thread(self._standing)
            self._meter.set(catalogue.HOLDS, value=len(standing))
            return record

    async def standing(self) -> list[Hold]:
        """Return the holds that stand, oldest first."""
        return await asyncio.to_thread(self._retention.holds)

    def _standing(self) -> dict[str, Hold]:
        """Return the holds that stand and can be read, by id."""
        found, _ = self._files.known()
        return {hold_id: hold for hold_id, hold in found.items() if not hold.released}

    async def _record(self, hold: Hold) -> Hold:
        index = self._journal.append(
            HoldRecord(
                issuer=hold.issuer,
                employee=hold.employee,
                request_id=hold.request_id,
                hold_id=hold.hold_id,
                from_time=hold.from_time,
                to_time=hold.to_time,
                reason=hold.reason,
            )
        )
        await self._durability.durable()
        recorded = replace(hold, record=record_id(self._journal.log_id, index))
        await asyncio.to_thread(self._files.put, recorded)
        return recorded
