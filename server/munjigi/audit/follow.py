"""Move records from logs into the index, each exactly once: the cursor lies in the index itself."""

from __future__ import annotations

from collections.abc import Iterable

from munjigi.audit.ports import AuditIndex, LogSource
from munjigi.kernel.errors import MunjigiError

Epochs = dict[str, tuple[int, int]]


def follow_once(sources: Iterable[LogSource], index: AuditIndex, limit: int, seen: Epochs) -> int:
    """Move at most `limit` records of each log; return how many were new to the index.

    `seen` belongs to the caller, begins empty and is kept between calls: it tells when a log has to be
    compared with the index again. Raises what `LogSource.read` and `AuditIndex.ingest` raise; whatever was moved stays,
    and a log that can't be followed doesn't hold up the others.
    """
    moved = 0
    failure: MunjigiError | None = None
    for source in sources:
        try:
            moved += _follow(source, index, limit, seen)
        except MunjigiError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return moved


def _follow(source: LogSource, index: AuditIndex, limit: int, seen: Epochs) -> int:
    epoch = source.epoch()
    if seen.get(source.log_id) != epoch:
        index.forget(source.log_id, source.first())
        reconcile(source, index)
        seen[source.log_id] = epoch
    cursor = index.cursor(source.log_id)
    found = source.read(cursor, limit)
    if not found or source.epoch() != epoch:
        return 0
    return index.ingest(source.log_id, cursor, [payload for _, payload in found])


def reconcile(source: LogSource, index: AuditIndex) -> int:
    """Drop from the index what the log does not have (any more); return how many records that were.

    A crash can take back records that were written, read and indexed, but not yet synced; others may then
    have got their indexes. Only the end of a log can be lost, so the last record that both have is searched for.
    """
    cursor, first = index.cursor(source.log_id), source.first()
    if cursor <= first or _agree(source, index, cursor - 1):
        return 0
    # Records [first, good) agree, record `bad` does not: step back ever further, then halve.
    good, bad, step = first, cursor - 1, 1
    while bad - step >= first:
        if _agree(source, index, bad - step):
            good = bad - step + 1
            break
        bad -= step
        step *= 2
    while good < bad:
        middle = (good + bad) // 2
        if _agree(source, index, middle):
            good = middle + 1
        else:
            bad = middle
    index.truncate(source.log_id, good)
    return cursor - good


def _agree(source: LogSource, index: AuditIndex, position: int) -> bool:
    theirs = source.read(position, 1)
    return bool(theirs) and theirs[0] == (position, index.payload(source.log_id, position))
