"""What searches and tails of the trail share: the conditions that a request names, and records as messages."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.struct_pb2 import Struct

from munjigi.audit.ports import IndexedRecord, RecordQuery
from munjigi.audit.records import decode
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.ids import record_id
from munjigi.kernel.references import MemberReferences
from munjigi.policy.types import Table
from munjigi.rpc.ports import SnapshotSource
from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb
from munjigi_client._proto.munjigi.v1 import decision_pb2

PAGE_BYTES: Final = 1 << 20  # and one piece more at most: below the 4 MiB that gRPC clients take by default
_VERDICTS: Final = {
    decision_pb2.DECISION_UNSPECIFIED: "",
    decision_pb2.DECISION_ALLOW: "ALLOW",
    decision_pb2.DECISION_DENY: "DENY",
}


class Conditions:
    """Turn the conditions of a request into a query; a raw serial becomes its keyed references and is forgotten."""

    def __init__(self, snapshots: SnapshotSource, references: MemberReferences) -> None:
        self._snapshots = snapshots
        self._references = references

    def query(self, request: pb.SearchRecordsRequest | pb.TailRecordsRequest) -> RecordQuery:
        """Return the query that both kinds of request can ask.

        Raises `InvalidArgument`.
        """
        return RecordQuery(
            employee=request.employee,
            tool=request.tool,
            members=self._members(request),
            resource=request.resource,
            event_type=request.event_type,
            decision=_VERDICTS[request.decision],
            case_id=request.case_id,
            holder=request.holder,
        )

    def _members(self, request: pb.SearchRecordsRequest | pb.TailRecordsRequest) -> tuple[str, ...]:
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


def add_record(records: RepeatedCompositeFieldContainer[pb.AuditRecord], found: IndexedRecord) -> None:
    """Add a record to a message's records."""
    record = decode(found.payload)
    entry = records.add(id=record_id(found.log_id, found.index), time=record.time)
    entry.position.log_id = found.log_id
    entry.position.index = found.index
    content = msgspec.to_builtins(record)
    entry.event_type = content.pop("type")
    entry.content.CopyFrom(_struct({name: _named(getattr(record, name), value) for name, value in content.items()}))


def _named(raw: Any, value: Any) -> Any:
    """Give the parts of a tuple with names their names: scopes, accounts, facts, votes."""
    if hasattr(raw, "_asdict"):
        return raw._asdict()
    return [each._asdict() for each in raw] if isinstance(raw, tuple) and raw and hasattr(raw[0], "_asdict") else value


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
