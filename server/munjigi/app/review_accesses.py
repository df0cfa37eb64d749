"""Which records a review of accesses looks at: those of a month, of every journal; where one can't be read whole, none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from munjigi.app.notifier import first_since
from munjigi.audit.ports import LogSource
from munjigi.audit.records import decode
from munjigi.kernel.clock import to_rfc3339
from munjigi.review.coverage import usage_gap
from munjigi.review.ports import LogMark
from munjigi.review.replay import RecordedBytes

_PIECE = 2000  # records


def records_within(
    journals: Sequence[LogSource], marks: Iterable[LogMark], begin: int, end: int, over: AbstractSet[str] = frozenset()
) -> Callable[[], Iterator[RecordedBytes]]:
    """Return what yields all records in [begin, end), UTC nanoseconds, by log id and in order, each time that it is called.

    `marks` are of all logs that there are; those of `over` were closed as lost before `begin`. Raises `FailedPrecondition` `USAGE_GAP` for
    a log that can't be read here, or whose records of that time retention has removed.
    """
    here = {each.log_id: each for each in journals}
    for mark in marks:
        if mark.log_id not in here and mark.log_id not in over and not (mark.closed and mark.time < begin):
            raise usage_gap(f"the records of log {mark.log_id} are not on this host, and accesses are looked at in the records")
    spans = [(each, *_span(each, begin, end)) for _, each in sorted(here.items())]

    def records() -> Iterator[RecordedBytes]:
        for source, start, stop in spans:
            at = start
            while at < stop:
                found = source.read(at, min(_PIECE, stop - at))
                for index, payload in found:
                    yield RecordedBytes(source.log_id, index, payload)
                at = found[-1][0] + 1

    return records


def _span(source: LogSource, begin: int, end: int) -> tuple[int, int]:
    """Return where in a log a time begins and ends. Raises `FailedPrecondition`."""
    first = source.first()
    oldest = source.read(first, 1) if first else []
    if oldest and decode(oldest[0][1]).time >= begin:
        raise usage_gap(
            f"retention has removed the records of log {source.log_id} before {to_rfc3339(decode(oldest[0][1]).time)}"
        )
    start, stop = first_since(source, begin), first_since(source, end)
    return max(first, start), stop
