"""AuditService: SearchRecords, VerifyJournal."""

from __future__ import annotations

import asyncio
from typing import Final

from munjigi.audit.ports import RecordQuery, RecordSearch
from munjigi.rpc.audit_records import PAGE_BYTES, Conditions, add_record
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.pages import DEFAULT_PAGE
from munjigi.rpc.past import caught_up, durable_everywhere
from munjigi.rpc.ports import Trail
from munjigi.rpc.verification import answer_of
from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

_SERVICE: Final = "munjigi.v1.AuditService"
_PIECE: Final = 50


class AuditService:
    """Read the trail; reading it is itself a decided and recorded access."""

    def __init__(self, desk: Desk, trail: Trail, index: RecordSearch, conditions: Conditions) -> None:
        self._desk = desk
        self._trail = trail
        self._index = index
        self._conditions = conditions
        # What follows grants and policy shares the process's few threads, and must find one free.
        self._reading = asyncio.Semaphore(2)
        self._verifying = asyncio.Semaphore(1)

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(_SERVICE, "SearchRecords", pb.SearchRecordsRequest, self.search_records),
            Method(_SERVICE, "VerifyJournal", pb.VerifyJournalRequest, self.verify_journal),
        ]

    async def search_records(self, call: Call, request: pb.SearchRecordsRequest) -> pb.SearchRecordsResponse:
        """Search the index, after it has caught up with what was durable when the call came."""
        durable = self._trail.durable()
        query = self._conditions.query(request)._replace(
            decision_id=request.decision_id, from_time=request.from_time, to_time=request.to_time
        )
        self._desk.authorize(call, "munjigi.audit", "read", members=query.members)
        durable = await durable_everywhere(self._trail, durable, self._reading)
        complete = await caught_up(self._index, durable, self._reading)
        async with self._reading:
            response = await asyncio.to_thread(self._page, query, request.page_size or DEFAULT_PAGE, request.page_token)
        response.complete = complete
        return response

    def _page(self, query: RecordQuery, size: int, token: str) -> pb.SearchRecordsResponse:
        """Gather a page piece by piece; it ends early when it gets too large for a client to take. Runs in a thread."""
        response = pb.SearchRecordsResponse()
        while True:
            piece = self._index.search(query, min(size - len(response.records), _PIECE), token)
            for found in piece.records:
                add_record(response.records, found)
            token = piece.next_page_token
            if not token or len(response.records) >= size or response.ByteSize() > PAGE_BYTES:
                response.next_page_token = token
                return response

    async def verify_journal(self, call: Call, request: pb.VerifyJournalRequest) -> pb.VerifyJournalResponse:
        """Verify the journals' files up to what was durable when the call came."""
        self._desk.authorize(call, "munjigi.audit", "read")
        async with self._verifying:
            seal, found, restored = await asyncio.to_thread(self._trail.verify, request.log_id)
        return answer_of(seal, found, restored)
