"""The state store over any database that SQLAlchemy speaks to: transactions, the log of permission records, `apply`.

Revisions are dense and in commit order: a writer takes the one head row before anything else, and keeps it until its commit.
So what its rules looked up is still true then. The permission records are rows of the same transaction
(`grants/permission_log.py`). What databases do differently is in the subclasses: `sqlite.py`, `postgresql.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Literal

from sqlalchemy import Connection, Engine, Executable, Row, Update, exc, func, insert, select, text, update

from munjigi.adapters.state.leases import read_leases, remove_lease, store_clock, write_lease
from munjigi.adapters.state.request_rows import read_blocks, read_request, read_requests, remember, remembered
from munjigi.adapters.state.rows import read_grants, read_people, write
from munjigi.adapters.state.session_rows import read_session_ends
from munjigi.adapters.state.tables import ENDED_LOG, HEAD, PERMISSION_LOG
from munjigi.adapters.state.transfer import copy_rows
from munjigi.audit.segment import GENESIS
from munjigi.grants.changes import Change, Edit, Once, State, check_origin
from munjigi.grants.ledger import Ledger
from munjigi.grants.permission_log import rows_of
from munjigi.grants.ports import LeaseRow, Leases, LogHead, LogRow, RequestFilter
from munjigi.grants.records import change_of
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.errors import ConfigurationError, Corruption, FailedPrecondition, MunjigiError, NotFound, Unavailable

SCHEMA_VERSIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")  # oldest first; the last one is this code's
_LAST_TIME: Final = 2**63 - 1  # nanoseconds

Kind = Literal["read", "write"]


class SqlStateStore(ABC):
    """People, grants and the log of permission records in tables; implements `StateStore`."""

    options: Mapping[Kind, Mapping[str, Any]]
    """Execution options that make a reader see one moment, and a writer what is committed."""
    driver_error: ClassVar[type[Exception]]
    """What the driver raises; in an event of the pool SQLAlchemy does not wrap it."""
    where: ClassVar[str]
    """Where to look when the store can't be used, for its operator."""
    name: ClassVar[str]
    """What findings call it."""

    def __init__(self, engine: Engine) -> None:
        """Keep the engine; nothing is opened yet."""
        self._closed = False
        self._engine = engine

    @abstractmethod
    def _has_tables(self, connection: Connection) -> bool:
        """Tell in plain SQL whether a migration ever ran here."""

    @abstractmethod
    def _passes(self, error: Exception) -> bool:
        """Tell whether an error says that the store can't be used now, rather than that it is damaged."""

    @abstractmethod
    def _began(self, connection: Connection, kind: Kind) -> None:
        """Prepare a transaction that has just begun."""

    @abstractmethod
    def _alone(self, connection: Connection) -> None:
        """Let no other process migrate until this transaction ends."""

    @abstractmethod
    def _telling(self, moved: Update) -> Executable:
        """Let the statement that moves the head wake other processes at its commit; they look by themselves, too, later."""

    def migrate(self) -> None:
        """Bring the schema to this code's version.

        Raises `ConfigurationError` when newer code wrote the file.
        """
        with self._transaction("read") as connection:
            if self._schema_version(connection) == SCHEMA_VERSIONS[-1]:
                return
        from munjigi.adapters.state.migrate import upgrade  # noqa: PLC0415 - alembic costs start time and memory, a migration is rare

        with self._transaction("write") as connection:
            self._alone(connection)
            if self._schema_version(connection) != SCHEMA_VERSIONS[-1]:  # another start may have been faster
                upgrade(connection)

    def revision(self) -> int:
        """Return the last committed revision."""
        with self._transaction("read") as connection:
            return _head(connection)

    def load(self) -> State:
        """Return everything at one revision."""
        with self._transaction("read") as connection:
            tables = (read_grants(connection), read_people(connection), _head(connection))
            return State(*tables, read_blocks(connection), read_requests(connection), read_session_ends(connection))

    def load_at(self, revision: int) -> State:
        """Rebuild the table at a past revision.

        Raises `NotFound` when there is no such revision, `Corruption` when the log does not replay.
        """
        with self._transaction("read") as connection:
            if not 0 <= revision <= _head(connection):
                raise NotFound("REVISION_UNKNOWN", "The store has no such grant revision; ask for one up to its last.")
            changes = _changes(connection, 0, revision)
        ledger = Ledger()
        try:
            ledger.apply(change.edit for change in changes)
        except MunjigiError:
            raise _corrupt("has a log of permission records that does not replay") from None
        return ledger.state()

    def revision_at(self, at: int) -> int:
        """Return the last revision committed at or before `at`; 0 before the first."""
        with self._transaction("read") as connection:
            last = select(func.max(PERMISSION_LOG.c.grant_revision)).where(PERMISSION_LOG.c.at <= min(at, _LAST_TIME))
            return int(connection.execute(last).scalar_one_or_none() or 0)

    def changes_since(self, revision: int) -> list[Change]:
        """Return the changes after `revision`.

        Raises `FailedPrecondition` when the store is older than `revision`.
        """
        with self._transaction("read") as connection:
            head = _head(connection)
            if revision > head:
                raise FailedPrecondition("STATE_REWOUND", "The state store is older than what was loaded from it; load it again.")
            return _changes(connection, revision, head) if revision < head else []

    def apply(
        self,
        edits: Sequence[Edit],
        *,
        at: int,
        actor: str,
        request_id: str,
        issuer: str = "",
        after: int | None = None,
        once: Once | None = None,
    ) -> int:
        """Commit all edits or none and return the last revision.

        Raises `FailedPrecondition` `STATE_MOVED`, and what `munjigi.grants.changes` raises.
        """
        check_origin(at, actor, request_id)
        with self._transaction("write") as connection:
            head = _locked_head(connection)
            if after is not None and after != head.grant_revision:
                raise FailedPrecondition("STATE_MOVED", "Another change came first; read the state again and retry.")
            if once is not None:
                remember(connection, once, issuer=issuer, actor=actor, request_id=request_id, at=at)
            for edit in edits:
                write(connection, edit)
            if not edits:
                return int(head.grant_revision)
            last = head.grant_revision + len(edits)
            stamped, first = max(at, head.at), head.grant_revision + 1
            changes = [
                Change(first + offset, stamped, stamped != at, actor, request_id, edit, issuer)
                for offset, edit in enumerate(edits)
            ]
            rows = rows_of(changes, head.chain, head.base)
            connection.execute(insert(PERMISSION_LOG), [_values(row) for row in rows])
            moved = update(HEAD).values(grant_revision=last, at=stamped, chain=rows[-1].chain)
            connection.execute(self._telling(moved))
        return int(last)

    def remembered(self, issuer: str, actor: str, request_id: str) -> Once | None:
        """Return what a mutation of this idempotency key left behind."""
        with self._transaction("read") as connection:
            return remembered(connection, issuer, actor, request_id)

    def request(self, access_request_id: str) -> AccessRequest | None:
        """Return the request of this id."""
        with self._transaction("read") as connection:
            return read_request(connection, access_request_id)

    def requests(self, asked: RequestFilter) -> list[AccessRequest]:
        """Return requests, newest first."""
        with self._transaction("read") as connection:
            return read_requests(connection, asked)

    def begin_log(self, log_id: str) -> LogHead:
        """End the log, and begin another one under `log_id`; return what was ended."""
        with self._transaction("write") as connection:
            _locked_head(connection)
            ended = _log_heads(connection)[-1]
            values = {"log_id": ended.log_id, "base": ended.base, "grant_revision": ended.base + ended.next_index}
            connection.execute(insert(ENDED_LOG).values(**values, chain=ended.chain))
            connection.execute(update(HEAD).values(log_id=log_id, base=values["grant_revision"], chain=GENESIS))
        return ended

    def log_heads(self) -> list[LogHead]:
        """Return where the logs of permission records stand."""
        with self._transaction("read") as connection:
            return _log_heads(connection)

    def log_head(self) -> LogHead:
        """Return where the log that is written stands."""
        return self.log_heads()[-1]

    def log_rows(self, after: int, limit: int) -> list[LogRow]:
        """Return rows as they are."""
        with self._transaction("read") as connection:
            return _rows(connection, after, limit)

    def leases(self) -> Leases:
        """Return all leases, and then revision and clock."""
        with self._transaction("read") as connection:
            return Leases(read_leases(connection), _head(connection), store_clock(connection))

    def renew_lease(self, row: LeaseRow) -> Leases:
        """Put a worker's lease in the place of its one before; what is returned is read in a transaction after its commit."""
        with self._transaction("write") as connection:
            write_lease(connection, row)
        return self.leases()

    def end_lease(self, row: LeaseRow) -> None:
        """Remove a lease, unless it was renewed since."""
        with self._transaction("write") as connection:
            remove_lease(connection, row)

    def copy_to(self, target: SqlStateStore) -> None:
        """Copy everything, as of one moment, into an empty store.

        Raises `FailedPrecondition` when the target is not empty, or one of the two is of another version than this code.
        """
        with self._transaction("read") as ours, target._transaction("write") as theirs:
            if {self._schema_version(ours), target._schema_version(theirs)} != {SCHEMA_VERSIONS[-1]}:
                raise FailedPrecondition(
                    "STATE_OTHER_VERSION", "The state store is of an older version; start munjigi once, which migrates it."
                )
            copy_rows(ours, theirs)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Look at one moment."""
        with self._transaction("read") as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; the write-ahead log is folded in by the last one."""
        self._closed = True
        self._engine.dispose()

    @contextmanager
    def _transaction(self, kind: Kind) -> Iterator[Connection]:
        if self._closed:
            raise Unavailable("STATE_UNREACHABLE", "The state store is closed; open it again.")
        try:
            with self._engine.connect().execution_options(**self.options[kind]) as connection, connection.begin():
                self._began(connection, kind)
                yield connection
        except (exc.DBAPIError, exc.TimeoutError, self.driver_error) as error:
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> MunjigiError:
        if isinstance(error, exc.IntegrityError):
            return FailedPrecondition("STATE_CONFLICT", "Another change came first; read the state again and retry.")
        if isinstance(error, exc.TimeoutError) or self._passes(error):
            message = f"The state store can't be used now (busy, full, read-only or gone); look at {self.where}."
            return Unavailable("STATE_UNREACHABLE", message)
        return _corrupt("is damaged")

    def _schema_version(self, connection: Connection) -> str:
        # Plain SQL, so that a start without a pending migration does not import alembic.
        if not self._has_tables(connection):
            return ""
        version = str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or "")
        if version and version not in SCHEMA_VERSIONS:
            message = "The state store was written by a newer Munjigi; start that version, or restore a backup made by this one."
            raise ConfigurationError("STATE_NEWER", message)
        return version


def _head(connection: Connection) -> int:
    found = connection.execute(select(HEAD.c.grant_revision)).scalar_one_or_none()
    if found is None:
        raise _corrupt("has lost its head row")
    return int(found)


def _locked_head(connection: Connection) -> Row[Any]:
    """Take the head row for this transaction: the next writer waits here. SQLite leaves that to `BEGIN IMMEDIATE`."""
    found = connection.execute(select(HEAD).with_for_update()).first()
    if found is None:
        raise _corrupt("has lost its head row")
    return found


def _corrupt(what: str) -> Corruption:
    return Corruption("STATE_CORRUPT", f"The state store {what}; put it aside as it is and restore a backup.")


def _changes(connection: Connection, after: int, last: int) -> list[Change]:
    rows = _rows(connection, after, last - after)
    if [row.grant_revision for row in rows] != list(range(after + 1, last + 1)):
        raise _corrupt("has a log of permission records with a gap")
    return [change_of(row) for row in rows]


def _log_heads(connection: Connection) -> list[LogHead]:
    ended = connection.execute(select(ENDED_LOG).order_by(ENDED_LOG.c.grant_revision, ENDED_LOG.c.base)).all()
    head = connection.execute(select(HEAD)).first()
    if head is None:
        raise _corrupt("has lost its head row")
    return [LogHead(row.log_id, row.grant_revision - row.base, row.chain, row.base) for row in (*ended, head)]


def _rows(connection: Connection, after: int, limit: int) -> list[LogRow]:
    log = PERMISSION_LOG.c
    rows = select(log.grant_revision, log.at, log.payload, log.chain).where(log.grant_revision > after)
    found = connection.execute(rows.order_by(log.grant_revision).limit(limit))
    bases = [head.base for head in _log_heads(connection)]
    return [
        LogRow(revision - 1 - bases[bisect_left(bases, revision) - 1], revision, at, payload, chain)
        for revision, at, payload, chain in found
    ]


def _values(row: LogRow) -> dict[str, object]:
    return {"grant_revision": row.grant_revision, "at": row.at, "payload": row.payload, "chain": row.chain}
