"""Which time is judged: calendar days back from the cutoff, without those in which a grant was suspended (REVIEW R5, R6, R7, R21)."""

from __future__ import annotations

from collections.abc import Iterable

from munjigi.audit.permission_records import (
    GrantAddedRecord,
    GrantChangedRecord,
    GrantEndedRecord,
    GrantRecord,
    GrantResumedRecord,
    GrantSuspendedRecord,
)
from munjigi.audit.record import Record
from munjigi.review.days import Days

Pause = tuple[int, int]
"""A time in which a grant was suspended, half-open, UTC nanoseconds."""


def back(days: Days, cutoff: int, count: int, pauses: Iterable[Pause] = ()) -> int:
    """Return the beginning of the day that lies `count` days before that of `cutoff`, both UTC nanoseconds.

    Time in pauses does not count: the beginning lies further back by as much.
    """
    since = days.begin(days.of(cutoff) - count)
    for begin, end in sorted(pauses, reverse=True):
        if end > since:
            since -= max(min(end, cutoff) - begin, 0)
    return since


def pauses_of(records: Iterable[Record]) -> dict[str, tuple[Pause, ...]]:
    """Return when each grant was suspended, out of the permission records in order; what is suspended still is no pause yet."""
    began: dict[str, int] = {}
    found: dict[str, tuple[Pause, ...]] = {}
    for record in records:
        if not isinstance(record, GrantRecord):
            continue
        grant_id, since = record.grant_id, began.get(record.grant_id)
        if isinstance(record, GrantAddedRecord):  # a new grant, whatever had its id before
            found.pop(grant_id, None)
            began.pop(grant_id, None)
            since = None
        if (
            record.suspended
            and since is None
            and isinstance(record, GrantAddedRecord | GrantSuspendedRecord | GrantChangedRecord)
        ):
            began[grant_id] = record.time
        elif since is not None and not record.suspended and isinstance(record, GrantResumedRecord | GrantEndedRecord):
            del began[grant_id]
            found[grant_id] = (*found.get(grant_id, ()), (since, record.time))
    return found
