"""After a restart, allowed reads may still be confirmed: find the last minute's decisions in the journal."""

from __future__ import annotations

from munjigi.audit.ports import LogSource
from munjigi.audit.records import AccessRecord, ConfirmRecord, decode
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.identity import Caller, EmployeeKey
from munjigi.kernel.ids import parse_record_id
from munjigi.rpc.pending import VALIDITY, PendingReads

_FIRST_STEP = 4096
_MOST = 1 << 19  # records that are looked at; a start must not take longer than two seconds


def recall(source: LogSource, next_index: int, pending: PendingReads, now: int) -> int:
    """Add the reads that may still be confirmed at `now` (UTC nanoseconds) and what was confirmed of them.

    Reads backwards in steps that double until a record is too old; returns how many reads were found.
    """
    step = _FIRST_STEP
    while True:
        first = max(0, next_index - step)
        records = [decode(payload) for _, payload in source.read(first, next_index - first)]
        if first == 0 or step >= _MOST or (records and records[0].time < now - VALIDITY):
            break
        step *= 2
    found = 0
    for record in records:
        if isinstance(record, AccessRecord) and record.valid_until > now and not record.observe:
            caller = Caller(EmployeeKey(record.issuer, record.employee), record.tool, record.peer)
            pending.add(record.index, caller, record.valid_until, record.resource)
            found += 1
        elif isinstance(record, ConfirmRecord):
            try:
                log_id, index = parse_record_id(record.decision_id)
            except InvalidArgument:
                continue
            if log_id == source.log_id and pending.get(index) is not None:
                pending.confirm(index, record.index)
    return found
