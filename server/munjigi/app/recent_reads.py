"""After a restart, allowed reads may still be confirmed: find the last minute's decisions in the journal."""

from __future__ import annotations

from contextlib import suppress

from munjigi.audit.ports import LogSource
from munjigi.audit.records import AccessRecord, AnyRecord, ConfirmRecord, decode
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.ids import parse_record_id
from munjigi.rpc.pending import VALIDITY, PendingReads

_STEP = 4096
_MOST = 1 << 19  # records that are looked at; a start must not take longer than two seconds


def recall(source: LogSource, next_index: int, pending: PendingReads, now: int) -> int:
    """Add the reads that may still be confirmed at `now` (UTC nanoseconds) and what was confirmed of them.

    Steps back ever further until a record is too old, then reads forward piece by piece, so that a
    busy minute costs no memory. Returns how many reads were found.
    """
    back, there = _STEP, next_index - source.first()
    while back < min(there, _MOST) and _time_at(source, next_index - back) >= now - VALIDITY:
        back *= 4
    found = 0
    for first in range(max(next_index - there, next_index - back), next_index, _STEP):
        for _, payload in source.read(first, min(_STEP, next_index - first)):
            found += _take(decode(payload), source.log_id, pending, now)
    return found


def _time_at(source: LogSource, index: int) -> int:
    return next((decode(payload).time for _, payload in source.read(index, 1)), 0)


def _take(record: AnyRecord, log_id: str, pending: PendingReads, now: int) -> bool:
    """Note one record; tell whether it is a read that may still be confirmed."""
    if isinstance(record, AccessRecord) and record.valid_until > now and not record.observe:
        read = pending.read_of(EmployeeKey(record.issuer, record.employee), record.tool, record.resource, record.purpose)
        pending.add(record.index, record.valid_until, read)
        return True
    if isinstance(record, ConfirmRecord):
        with suppress(InvalidArgument):
            of_log, index = parse_record_id(record.decision_id)
            if of_log == log_id and pending.get(index) is not None:
                pending.confirm(index, record.index)
    return False
