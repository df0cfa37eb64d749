"""The state store on one SQLite file.

A commit is durable when `apply` returns (WAL with `synchronous=FULL`), complete or absent after a crash, and its
revisions are dense: they come from one head row that the transaction takes last, not from a sequence. Its permission records
are rows of the same transaction (`grants/permission_log.py`).
"""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event, exc, func, insert, select, text, update

from munjigi.adapters.state.rows import read_grants, read_people, write_grant, write_person
from munjigi.adapters.state.tables import ENDED_LOG, HEAD, PERMISSION_LOG
from munjigi.audit.segment import GENESIS
from munjigi.grants.changes import Change, Edit, GrantEdit, State, check_origin
from munjigi.grants.ledger import Ledger
from munjigi.grants.permission_log import change_of, rows_of
from munjigi.grants.ports import LogHead, LogRow
from munjigi.kernel.errors import ConfigurationError, Corruption, FailedPrecondition, MunjigiError, NotFound, Unavailable

SCHEMA_VERSIONS: Final = ("0001", "0002", "0003")  # oldest first; the last one is this code's
_BUSY_SECONDS: Final = 5
_LAST_TIME: Final = 2**63 - 1  # nanoseconds
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA fullfsync=ON",  # macOS: fsync alone does not reach the disk there
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}",
)


_READ_PRAGMAS: Final = ("PRAGMA query_only=ON", f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")


class SqliteStateStore:
    """People, grants and the log of permission records in one file of mode 0600; implements `StateStore`."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or make the file. A reader (`read_only`) makes and changes nothing; until the file is there, it is `Unavailable`.

        Raises `ConfigurationError` when others may read or write it, or when it can't be made there.
        """
        if not read_only:
            _make_private(path)
        self._closed = False
        url = f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true" if read_only else f"sqlite:///{path}"
        self._engine = create_engine(url, pool_size=2, max_overflow=2, pool_timeout=_BUSY_SECONDS)
        event.listen(self._engine, "connect", partial(_prepare, _READ_PRAGMAS if read_only else _PRAGMAS))
        event.listen(self._engine, "begin", _begin)

    def migrate(self) -> None:
        """Bring the schema to this code's version.

        Raises `ConfigurationError` when newer code wrote the file.
        """
        with self._transaction("read") as connection:
            if _schema_version(connection) == SCHEMA_VERSIONS[-1]:
                return
        from munjigi.adapters.state.migrate import upgrade  # noqa: PLC0415 - alembic costs start time and memory, a migration is rare

        with self._transaction("write") as connection:
            _schema_version(connection)
            upgrade(connection)

    def revision(self) -> int:
        """Return the last committed revision."""
        with self._transaction("read") as connection:
            return _head(connection)

    def load(self) -> State:
        """Return everything at one revision."""
        with self._transaction("read") as connection:
            return State(read_grants(connection), read_people(connection), _head(connection))

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
            raise Corruption(
                "STATE_CORRUPT",
                "The log of permission records does not replay; put this state folder aside and restore a backup.",
            ) from None
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

    def apply(self, edits: Sequence[Edit], *, at: int, actor: str, request_id: str) -> int:
        """Commit all edits or none and return the last revision.

        Raises what `munjigi.grants.changes` raises.
        """
        check_origin(at, actor, request_id)
        with self._transaction("write") as connection:
            if not edits:
                return _head(connection)
            for edit in edits:
                if isinstance(edit, GrantEdit):
                    write_grant(connection, edit)
                else:
                    write_person(connection, edit)
            locked = update(HEAD).values(grant_revision=HEAD.c.grant_revision + len(edits))
            head = connection.execute(locked.returning(HEAD.c.grant_revision, HEAD.c.at, HEAD.c.chain, HEAD.c.base)).one()
            stamped, first = max(at, head.at), head.grant_revision - len(edits) + 1
            changes = [
                Change(first + offset, stamped, stamped != at, actor, request_id, edit) for offset, edit in enumerate(edits)
            ]
            rows = rows_of(changes, head.chain, head.base)
            connection.execute(insert(PERMISSION_LOG), [_values(row) for row in rows])
            connection.execute(update(HEAD).values(at=stamped, chain=rows[-1].chain))
        return int(head.grant_revision)

    def begin_log(self, log_id: str) -> LogHead:
        """End the log, and begin another one under `log_id`; return what was ended."""
        with self._transaction("write") as connection:
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

    def close(self) -> None:
        """Close all connections; the write-ahead log is folded in by the last one."""
        self._closed = True
        self._engine.dispose()

    @contextmanager
    def _transaction(self, kind: Literal["read", "write"]) -> Iterator[Connection]:
        if self._closed:
            raise Unavailable("STATE_UNREACHABLE", "The state store is closed; open it again.")
        try:
            with self._engine.connect().execution_options(munjigi_transaction=kind) as connection, connection.begin():
                yield connection
        except exc.IntegrityError:
            raise FailedPrecondition("STATE_CONFLICT", "Another change came first; read the state again and retry.") from None
        except (exc.OperationalError, exc.TimeoutError, exc.InterfaceError, sqlite3.OperationalError):
            message = (
                "The state store can't be used now (busy, full, read-only or gone); look at its folder, its disk and its owner."
            )
            raise Unavailable("STATE_UNREACHABLE", message) from None
        except (exc.DatabaseError, sqlite3.DatabaseError):  # the driver's own come from the first pragmas
            raise Corruption(
                "STATE_CORRUPT", "The state store is damaged; put this state folder aside and restore a backup."
            ) from None


def copy_store(source: Path, target: Path) -> None:
    """Copy a store as of one moment into one file of mode 0600, while others read and write it.

    Raises `Unavailable` when the store can't be read or the copy can't be written, `Corruption` when the store is damaged.
    """
    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as store,
            closing(sqlite3.connect(target)) as copy,
        ):
            store.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # so that the one file is all of it
    except (OSError, sqlite3.OperationalError):
        raise Unavailable(
            "STATE_NOT_COPIED", f"{source} can't be copied to {target.parent}; look at both folders, their disks and owners."
        ) from None
    except sqlite3.DatabaseError:
        raise Corruption("STATE_CORRUPT", "The state store is damaged; run `munjigi audit verify`.") from None


def _make_private(path: Path) -> None:
    # SQLite gives -wal and -shm the mode of the file itself.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        mode = path.stat().st_mode
    except OSError as error:
        message = f"The state store {path.name} can't be opened ({error.strerror}); check the state folder (MUNJIGI_STATE_DIR)."
        raise ConfigurationError("STATE_FILE_UNUSABLE", message) from None
    if mode & 0o077:
        raise ConfigurationError("STATE_FILE_EXPOSED", f"Others may read or write {path.name}: run chmod 600 on it.")


def _prepare(pragmas: tuple[str, ...], connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves: the driver's habit defeats transactional DDL
    for pragma in pragmas:
        connection.execute(pragma).close()


def _begin(connection: Connection) -> None:
    kind = connection.get_execution_options()["munjigi_transaction"]
    # A writer takes its lock at once: upgrading a read lock later could fail on a busy store.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if kind == "write" else "BEGIN")


def _schema_version(connection: Connection) -> str:
    # Plain SQL, so that a start without a pending migration does not import alembic.
    found = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")).first()
    if found is None:
        return ""
    version = str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or "")
    if version and version not in SCHEMA_VERSIONS:
        message = "The state store was written by a newer Munjigi; start that version, or restore a backup made by this one."
        raise ConfigurationError("STATE_NEWER", message)
    return version


def _head(connection: Connection) -> int:
    found = connection.execute(select(HEAD.c.grant_revision)).scalar_one_or_none()
    if found is None:
        raise _headless()
    return int(found)


def _headless() -> Corruption:
    return Corruption("STATE_CORRUPT", "The state store has lost its head row; put this state folder aside and restore a backup.")


def _changes(connection: Connection, after: int, last: int) -> list[Change]:
    rows = _rows(connection, after, last - after)
    if [row.grant_revision for row in rows] != list(range(after + 1, last + 1)):
        raise Corruption(
            "STATE_CORRUPT", "The log of permission records has a gap; put this state folder aside and restore a backup."
        )
    return [change_of(row) for row in rows]


def _log_heads(connection: Connection) -> list[LogHead]:
    ended = connection.execute(select(ENDED_LOG).order_by(ENDED_LOG.c.grant_revision, ENDED_LOG.c.base)).all()
    head = connection.execute(select(HEAD)).first()
    if head is None:
        raise _headless()
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
