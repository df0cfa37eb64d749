"""Whether a record meets the conditions of a search, for whoever has records and no index."""

from __future__ import annotations

from typing import Final

from munjigi.audit.ports import RecordQuery
from munjigi.audit.records import AnyRecord
from munjigi.kernel.ids import record_id

_EQUAL: Final = ("employee", "tool", "resource", "decision", "case_id", "holder")


def matches(query: RecordQuery, log_id: str, record: AnyRecord) -> bool:
    """Tell whether a record of a log meets every condition."""
    for name in _EQUAL:
        wanted = getattr(query, name)
        if wanted and getattr(record, name, "") != wanted:
            return False
    if query.event_type and type(record).__struct_config__.tag != query.event_type:
        return False
    if query.members and not set(query.members) & set(getattr(record, "members", ())):
        return False
    if query.decision_id and query.decision_id not in (record_id(log_id, record.index), getattr(record, "decision_id", "")):
        return False
    return query.from_time <= record.time and (not query.to_time or record.time < query.to_time)
