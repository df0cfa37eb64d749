"""Read and write the log of permission records and its head, inside a transaction of the caller."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from munjigi.adapters.state.tables import ENDED_LOG, HEAD, PERMISSION_LOG
from munjigi.grants.changes import Change
from munjigi.grants.ports import LogHead, LogRow, no_rest
from munjigi.grants.records import change_of
from munjigi.kernel.errors import Corruption

_LOG: Final = PERMISSION_LOG.c
_PART: Final = 24  # changes that are decoded in some half a millisecond
# Built once: each change goes through these.
_REVISION: Final = select(HEAD.c.grant_revision)
_HEAD: Final = select(HEAD)
_LOCKED: Final = select(HEAD).with_for_update()
_ENDED: Final = select(ENDED_LOG).order_by(ENDED_LOG.c.grant_revision, ENDED_LOG.c.base)
_ROWS: Final = (
    select(_LOG.grant_revision, _LOG.at, _LOG.payload, _LOG.chain)
    .where(_LOG.grant_revision > bindparam("after"))
    .order_by(_LOG.grant_revision)
    .limit(bindparam("most"))
)
_ADD: Final = insert(PERMISSION_LOG)
MOVE: Final = update(HEAD).values(grant_revision=bindparam("last"), at=bindparam("stamped"), chain=bindparam("linked"))


def head_of(connection: Connection) -> int:
    """Return the last committed revision."""
    found = connection.execute(_REVISION).scalar_one_or_none()
    if found is None:
        raise corrupt("has lost its head row")
    return int(found)


def locked_head(connection: Connection) -> Row[Any]:
    """Take the head row for this transaction: the next writer waits here. SQLite leaves that to `BEGIN IMMEDIATE`."""
    found = connection.execute(_LOCKED).first()
    if found is None:
        raise corrupt("has lost its head row")
    return found


def corrupt(what: str) -> Corruption:
    """Return the error that says so."""
    return Corruption("STATE_CORRUPT", f"The state store {what}; put it aside as it is and restore a backup.")


def changes_of(connection: Connection, after: int, last: int, rest: Callable[[], None] = no_rest) -> list[Change]:
    """Return the changes of revisions (after, last], resting between parts of them. Raises `Corruption` when there is a gap."""
    rows = rows_after(connection, after, last - after)
    if [row.grant_revision for row in rows] != list(range(after + 1, last + 1)):
        raise corrupt("has a log of permission records with a gap")
    changes = [change_of(row) for row in rows[:_PART]]
    for start in range(_PART, len(rows), _PART):
        rest()
        changes += [change_of(row) for row in rows[start : start + _PART]]
    return changes


def log_heads(connection: Connection) -> list[LogHead]:
    """Return where the logs stand, oldest first."""
    return [*(_log_head(row) for row in connection.execute(_ENDED)), written_head(connection)]


def written_head(connection: Connection) -> LogHead:
    """Return where the log that is written stands."""
    head = connection.execute(_HEAD).first()
    if head is None:
        raise corrupt("has lost its head row")
    return _log_head(head)


def _log_head(row: Row[Any]) -> LogHead:
    return LogHead(row.log_id, row.grant_revision - row.base, row.chain, row.base)


def rows_after(connection: Connection, after: int, limit: int) -> list[LogRow]:
    """Return rows as they are."""
    found = connection.execute(_ROWS, {"after": after, "most": limit}).all()
    if not found:
        return []
    bases = [head.base for head in log_heads(connection)]
    return [
        LogRow(revision - 1 - bases[bisect_left(bases, revision) - 1], revision, at, payload, chain)
        for revision, at, payload, chain in found
    ]


def add_rows(connection: Connection, rows: Sequence[LogRow]) -> None:
    """Write rows."""
    connection.execute(
        _ADD,
        [{"grant_revision": row.grant_revision, "at": row.at, "payload": row.payload, "chain": row.chain} for row in rows],
    )
