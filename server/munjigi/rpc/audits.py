"""AuditService: SearchRecords, VerifyJournal."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from google.protobuf.struct_pb2 import Struct

from munjigi.audit.ports import AuditIndex, IndexedRecord, RecordQuery
from munjigi.audit.records import decode
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.ids import record_id
from munjigi.kernel.references import MemberReferences
from munjigi.policy.types import Table
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.pages import DEFAULT_PAGE
from munjigi.rpc.past import caught_up
from munjigi.rpc.ports import SnapshotSource, Trail
from munjigi.rpc.verification import answer_of
from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb
from munjigi_client._proto.munjigi.v1 import decision_pb2

_SERVICE: Final = "munjigi.v1.AuditService"
_VERDICTS: Final = {
    decision_pb2.DECISION_UNSPECIFIED: "",
    decision_pb2.DECISION_ALLOW: "ALLOW",
    decision_pb2.DECISION_DENY: "DENY",
}
_PIECE: Final = 50
_PAGE_BYTES: Final = 1 << 20  # and one piece more at most: below the 4 MiB that gRPC clients take by default


class AuditService:
    """Read the trail; reading it is itself a decided and recorded access."""

    def __init__(
        self, desk: Desk, snapshots: SnapshotSource, trail: Trail, index: AuditIndex, references: MemberReferences
    ) -> None:
        self._desk = desk
        self._snapshots = snapshots
        self._trail = trail
        self._index = index
        self._references = references
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
        self._desk.authorize(call, "munjigi.audit", "read")
        query = RecordQuery(
            employee=request.employee,
            tool=request.tool,
            members=self._members(request),
            resource=request.resource,
            decision_id=request.decision_id,
            event_type=request.event_type,
            decision=_VERDICTS[request.decision],
            case_id=request.case_id,
            from_time=request.from_time,
            to_time=request.to_time,
        )
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
                _add(response, found)
            token = piece.next_page_token
            if not token or len(response.records) >= size or response.ByteSize() > _PAGE_BYTES:
                response.next_page_token = token
                return response

    def _members(self, request: pb.SearchRecordsRequest) -> tuple[str, ...]:
        """Return the references that a raw serial may have, one for each table that has members of its own."""
        if not request.member_id:
            return ()
        tables = self._snapshots.snapshot.bundle.catalog.tables
        if request.resource:
            asked = tables.get(request.resource)
            if asked is None:
                raise InvalidArgument("RESOURCE_UNKNOWN", "To search by member, name a catalogued table as `resource`, or none.")
            own: list[Table] = [asked]
        else:
            own = [table for table in tables.values() if table.subjects_of == table.name]
            if not own:
                raise InvalidArgument(
                    "RESOURCE_REQUIRED", "No catalogued table has members of its own; name the table as `resource`."
                )
        return tuple(ref for table in own for ref in self._references.of(table.subjects_of, (request.member_id,), table.key_type))

    async def verify_journal(self, call: Call, request: pb.VerifyJournalRequest) -> pb.VerifyJournalResponse:
        """Verify the journals' files up to what was durable when the call came."""
        self._desk.authorize(call, "munjigi.audit", "read")
        async with self._verifying:
            seal, found = await asyncio.to_thread(self._trail.verify, request.log_id)
        return answer_of(seal, found)


def _add(response: pb.SearchRecordsResponse, found: IndexedRecord) -> None:
    record = decode(found.payload)
    entry = response.records.add(id=record_id(found.log_id, found.index), time=record.time)
    entry.position.log_id = found.log_id
    entry.position.index = found.index
    content = msgspec.to_builtins(record)
    entry.event_type = content.pop("type")
    entry.content.CopyFrom(_struct(content))


def _struct(content: dict[str, Any]) -> Struct:
    """Make a Struct. Integers beyond 2**53 become text, because a Struct's numbers are doubles."""
    struct = Struct()
    struct.update({name: _exact(value) for name, value in content.items()})
    return struct


def _exact(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 53:
        return str(value)
    if isinstance(value, tuple | list):
        return [_exact(each) for each in value]
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    return value
