"""AuditService.TailRecords: the trail as it grows, over all logs, by calls that wait.

One call is one decided and recorded access, as a read is: who follows for an hour has asked many times, and each time the
right to was looked at. A position says how far each log was taken; it holds over restarts.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from munjigi.audit.matching import matches
from munjigi.audit.ports import IndexedRecord, RecordQuery, RecordSearch
from munjigi.audit.records import AccessRecord, AnyRecord, decode
from munjigi.kernel.errors import InvalidArgument, ResourceExhausted, Unavailable
from munjigi.kernel.ids import is_log_id
from munjigi.rpc.audit_records import PAGE_BYTES, Conditions, add_record
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.past import caught_up
from munjigi.rpc.ports import Trail
from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

_SERVICE: Final = "munjigi.v1.AuditService"
_NAME: Final = "TailRecords"
_LIMIT: Final = 500  # records of a log at once
_STEP: Final = 0.1  # seconds between looks at what is durable
_WAITING: Final = 16  # calls at once
_SEARCHED: Final = 20  # pages of the index that are looked through for the newest records

Positions = dict[str, int]
_positions: Final = msgspec.msgpack.Decoder(dict[str, int])


class TailService:
    """Hand out what was recorded after a position. `staying` tells whether calls may still wait."""

    def __init__(
        self, desk: Desk, trail: Trail, index: RecordSearch, conditions: Conditions, staying: Callable[[], bool]
    ) -> None:
        self._desk = desk
        self._trail = trail
        self._index = index
        self._conditions = conditions
        self._staying = staying
        self._reading = asyncio.Semaphore(1)
        self._waiting = 0

    def methods(self) -> list[Method]:
        """List the methods."""
        return [Method(_SERVICE, _NAME, pb.TailRecordsRequest, self.tail_records)]

    async def tail_records(self, call: Call, request: pb.TailRecordsRequest) -> pb.TailRecordsResponse:
        """Return what is new, and wait for it at most as long as asked."""
        query = self._conditions.query(request)
        self._desk.authorize(call, "munjigi.audit", "read", members=query.members)
        query.check()
        if self._waiting >= _WAITING:
            raise ResourceExhausted("TAILS_BUSY", f"{_WAITING} calls follow the trail already; try again later.", 5.0)
        self._waiting += 1
        try:
            if request.position:
                if request.last:
                    raise InvalidArgument("POSITION_INVALID", "Give `last` or `position`, not both.")
                return await self._follow(query, _parse(request.position), request.wait_seconds)
            return await self._begin(query, request)
        finally:
            self._waiting -= 1

    async def _begin(self, query: RecordQuery, request: pb.TailRecordsRequest) -> pb.TailRecordsResponse:
        async with self._reading:
            positions = await asyncio.to_thread(self._trail.ends)
        response = pb.TailRecordsResponse()
        if request.last:
            if not await caught_up(self._index, positions, self._reading):
                raise Unavailable(
                    "AUDIT_INDEX_BEHIND",
                    "The audit index has not caught up with the trail; try again in a moment, or begin without the last records.",
                )
            async with self._reading:
                response = await asyncio.to_thread(self._newest, query, request.last, positions)
        if response.records or not request.wait_seconds:
            response.position = _text(positions)
            return response
        return await self._follow(query, positions, request.wait_seconds)

    async def _follow(self, query: RecordQuery, positions: Positions, seconds: int) -> pb.TailRecordsResponse:
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            durable = self._trail.durable()
            async with self._reading:
                response, more = await asyncio.to_thread(self._after, query, positions)
            # Another connection may not see yet what is durable: then there is news though nothing changes any more.
            behind = any(positions.get(log_id, 0) < count for log_id, count in durable.items())
            if response.records or not await self._news(durable, deadline, more=more, behind=behind):
                response.position = _text(positions)
                return response

    async def _news(self, durable: dict[str, int], deadline: float, *, more: bool, behind: bool) -> bool:
        """Wait until more is durable than `durable`, if there is not `more` to look through anyway; False when time is up."""
        now = asyncio.get_running_loop().time
        behind = behind or not self._trail.alone
        while self._staying() and now() < deadline:
            if more or self._trail.durable() != durable:
                return True
            await asyncio.sleep(_STEP)
            more = behind
        return False

    def _newest(self, query: RecordQuery, count: int, ends: Positions) -> pb.TailRecordsResponse:
        """Return the newest records before `ends`, oldest first. Blocks."""
        found: list[IndexedRecord] = []
        token = ""
        for _ in range(_SEARCHED):
            page = self._index.search(query, count, token)
            found += [each for each in page.records if each.index < ends.get(each.log_id, 0) and _shown(decode(each.payload))]
            token = page.next_page_token
            if not token or len(found) >= count:
                break
        response = pb.TailRecordsResponse()
        for each in reversed(found[:count]):
            add_record(response.records, each)
        return response

    def _after(self, query: RecordQuery, positions: Positions) -> tuple[pb.TailRecordsResponse, bool]:
        """Return what matches after `positions`, which it moves on; and whether there is more. Blocks."""
        response = pb.TailRecordsResponse()
        found = self._trail.after(positions, _LIMIT)
        for each in found:
            if response.ByteSize() > PAGE_BYTES:
                return response, True
            positions[each.log_id] = each.index + 1
            record = decode(each.payload)
            if _shown(record) and matches(query, each.log_id, record):
                add_record(response.records, each)
        return response, len(found) >= _LIMIT


def _shown(record: AnyRecord) -> bool:
    """Leave out the tail's own accesses: each would be news for every tail, for ever. SearchRecords has them."""
    return not (isinstance(record, AccessRecord) and record.door == _NAME)


def _text(positions: Mapping[str, int]) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(positions)).rstrip(b"=").decode("ascii")


def _parse(text: str) -> Positions:
    try:
        positions = _positions.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.MsgspecError):
        positions = {}
    if not positions or not all(is_log_id(log_id) and 0 <= index < 1 << 62 for log_id, index in positions.items()):
        raise InvalidArgument("POSITION_INVALID", "`position` is not from an answer of TailRecords; begin without one.")
    return positions
