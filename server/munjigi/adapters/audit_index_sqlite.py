"""The audit index in SQLite: a projection of the logs, which can be removed and is made again.

The follower's process writes, gateway workers read the same file (WAL). A record's key is the log's
number times 2**40 plus its index, so that secondary indexes order a log's records by themselves. Numbers are in the order
of the logs' ids, so that records of one moment come in the order that the port demands.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec

from munjigi.audit import pages
from munjigi.audit.ports import IndexedRecord, RecordPage, RecordQuery
from munjigi.audit.records import AnyRecord, decode
from munjigi.kernel.errors import Corruption, FailedPrecondition, Unavailable

_SHIFT: Final = 40
_LAST: Final = (1 << _SHIFT) - 1
_VERSION: Final = 3
_IDS: Final = 4  # characters of a log's id that give its number: 36**4 are 21 bits, and 2 are left to tell equal ones apart
_FORGOTTEN: Final = 5_000  # records of one transaction: a search waits for none of it, and the write-ahead log stays small
_SCHEMA: Final = """
CREATE TABLE log (number INTEGER PRIMARY KEY, log_id TEXT NOT NULL UNIQUE, cursor INTEGER NOT NULL) STRICT;
CREATE TABLE record (
  id INTEGER PRIMARY KEY, time INTEGER NOT NULL, event_type TEXT NOT NULL, employee TEXT NOT NULL, tool TEXT NOT NULL,
  resource TEXT NOT NULL, decision TEXT NOT NULL, case_id TEXT NOT NULL, holder TEXT NOT NULL, about TEXT NOT NULL, payload BLOB NOT NULL
) STRICT;
CREATE INDEX record_time ON record (time);
CREATE INDEX record_type ON record (event_type, time) WHERE event_type <> '';
CREATE INDEX record_employee ON record (employee, time) WHERE employee <> '';
CREATE INDEX record_tool ON record (tool, time) WHERE tool <> '';
CREATE INDEX record_resource ON record (resource, time) WHERE resource <> '';
CREATE INDEX record_case ON record (case_id, time) WHERE case_id <> '';
CREATE INDEX record_holder ON record (holder, time) WHERE holder <> '';
CREATE INDEX record_about ON record (about, time) WHERE about <> '';
CREATE TABLE member (
  reference TEXT NOT NULL, time INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (reference, time, id)
) STRICT, WITHOUT ROWID;
"""
_COLUMNS: Final = ("event_type", "employee", "tool", "resource", "decision", "case_id", "holder")
_INSERT: Final = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class SqliteAuditIndex:
    """An `AuditIndex` in one file. A reader (`read_only`) waits for the follower to make the file."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        if not read_only:
            with self._using():
                pass

    def ingest(self, log_id: str, first_index: int, records: Sequence[bytes]) -> int:
        """Take records and move the cursor, both or neither; return how many were new."""
        with self._using() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            number, cursor = _log(connection, log_id)
            if first_index > cursor:
                raise FailedPrecondition(
                    "AUDIT_INDEX_GAP", f"The index needs record {cursor} of the log next; follow the log from there."
                )
            rows: list[tuple[Any, ...]] = []
            members: list[tuple[str, int, int]] = []
            base = number << _SHIFT
            for index, payload in enumerate(records[cursor - first_index :], cursor):
                record = _decode(log_id, index, payload)
                rows.append(_row(base | index, record, payload))
                members.extend(_members(base | index, record))
            connection.executemany(_INSERT, rows)
            connection.executemany("INSERT INTO member VALUES (?, ?, ?)", members)
            connection.execute("UPDATE log SET cursor = ? WHERE number = ?", (cursor + len(rows), number))
            return len(rows)

    def cursor(self, log_id: str) -> int:
        """Return the index after the last one taken; 0 for an unknown log."""
        with self._using() as connection:
            found = connection.execute("SELECT cursor FROM log WHERE log_id = ?", (log_id,)).fetchone()
            return int(found[0]) if found else 0

    def holds(self, log_id: str, below: int) -> bool:
        """Tell whether a search finds every record of a log below an index."""
        return self.cursor(log_id) >= below

    def payload(self, log_id: str, index: int) -> bytes | None:
        """Return the canonical bytes of one record; None when it is not here."""
        with self._using() as connection:
            found = connection.execute(
                "SELECT payload FROM record WHERE id = (SELECT number FROM log WHERE log_id = ?) * ? + ?",
                (log_id, 1 << _SHIFT, index),
            ).fetchone()
            return bytes(found[0]) if found else None

    def truncate(self, log_id: str, next_index: int) -> None:
        """Forget the records of a log from `next_index` on, and set its cursor there."""
        with self._using() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute("SELECT number FROM log WHERE log_id = ? AND cursor > ?", (log_id, next_index)).fetchone()
            if found:
                low, high = found[0] << _SHIFT | next_index, found[0] << _SHIFT | _LAST
                connection.execute("DELETE FROM member WHERE id BETWEEN ? AND ?", (low, high))
                connection.execute("DELETE FROM record WHERE id BETWEEN ? AND ?", (low, high))
                connection.execute("UPDATE log SET cursor = ? WHERE number = ?", (next_index, found[0]))

    def forget(self, log_id: str, first_index: int) -> None:
        """Forget the records of a log before `first_index`, a bounded part in each transaction, and put its cursor there at least."""
        while first_index and self._forget(log_id, first_index):
            pass

    def _forget(self, log_id: str, first_index: int) -> bool:
        """Forget some; tell whether there are more."""
        with self._using() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            number, _ = _log(connection, log_id)
            low, end = number << _SHIFT, number << _SHIFT | first_index
            oldest = connection.execute("SELECT min(id) FROM record WHERE id >= ? AND id < ?", (low, end)).fetchone()[0]
            if oldest is None:
                connection.execute(
                    "UPDATE log SET cursor = ? WHERE number = ? AND cursor < ?", (first_index, number, first_index)
                )
                return False
            part = (oldest, min(oldest + _FORGOTTEN, end))
            for key, payload in connection.execute("SELECT id, payload FROM record WHERE id >= ? AND id < ?", part).fetchall():
                connection.executemany(
                    "DELETE FROM member WHERE reference = ? AND time = ? AND id = ?",
                    _members(key, _decode(log_id, key & _LAST, payload)),
                )
            connection.execute("DELETE FROM record WHERE id >= ? AND id < ?", part)
            return True

    def search(self, query: RecordQuery, page_size: int, page_token: str = "") -> RecordPage:
        """Return a page of records, newest first."""
        pages.check_size(page_size)
        query.check()
        place, position = pages.place_of(query, page_token), query.position()
        with self._using() as connection, connection:
            connection.execute("BEGIN")  # the log numbers and the page belong to one state of the file
            numbers = {str(log_id): int(number) for log_id, number in connection.execute("SELECT log_id, number FROM log")}
            sql, values = _select(query, numbers, place, position)
            rows = connection.execute(sql, (*values, page_size + 1)).fetchall()
        log_ids = {number: log_id for log_id, number in numbers.items()}
        found = [IndexedRecord(log_ids[key >> _SHIFT], key & _LAST, time, payload) for key, time, payload in rows[:page_size]]
        if len(rows) <= page_size:
            return RecordPage(found, "")
        last = found[-1]
        return RecordPage(found, pages.token_of(query, pages.Place(last.time, last.log_id, last.index)))

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection. Raises `FailedPrecondition` after `close`, `Unavailable` for what SQLite refuses."""
        with self._lock:
            if self._closed:
                raise FailedPrecondition("AUDIT_INDEX_CLOSED", "The audit index is closed; this process is stopping.")
            try:
                if self._connection is None:
                    self._connection = self._connect()
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                if self._connection is not None:
                    self._connection.close()  # the next call opens it anew, so that a removed or replaced file is found
                    self._connection = None
                raise Unavailable(
                    "AUDIT_INDEX_UNAVAILABLE",
                    f"The audit index {self._path} can't be used now. If it stays so, stop munjigi and remove the file; "
                    "it is made again.",
                ) from error

    def _connect(self) -> sqlite3.Connection:
        if self._read_only:
            if not self._path.exists():
                raise Unavailable(
                    "AUDIT_INDEX_NOT_READY", "The follower has not made the audit index yet; try again in a moment."
                )
        else:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self._path, timeout=5, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA query_only = ON" if self._read_only else "PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # a power cut takes back records and cursor together
            connection.execute("PRAGMA cache_size = -16384")
            connection.execute("PRAGMA wal_autocheckpoint = 16384")  # 64 MiB: a page that many commits touch is copied once
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                if self._read_only:
                    raise Unavailable(
                        "AUDIT_INDEX_NOT_READY", "The follower is making the audit index anew; try again in a moment."
                    )
                _make(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _make(connection: sqlite3.Connection) -> None:
    """Make the tables; those of another version are dropped, because all of it is in the logs."""
    names = [str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    drops = "".join(f'DROP TABLE "{name}";' for name in names if not name.startswith("sqlite_"))
    connection.executescript(f"BEGIN IMMEDIATE; {drops} {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")


def _log(connection: sqlite3.Connection, log_id: str) -> tuple[int, int]:
    """Return a log's number and cursor; a new log gets the first free number from its id's on."""
    numbers = {known: (number, cursor) for number, known, cursor in connection.execute("SELECT number, log_id, cursor FROM log")}
    if log_id in numbers:
        return numbers[log_id]
    taken = {number for number, _ in numbers.values()}
    number = next(number for number in count(int(log_id[:_IDS].ljust(_IDS, "0"), 36) << 2) if number not in taken)
    connection.execute("INSERT INTO log (number, log_id, cursor) VALUES (?, ?, 0)", (number, log_id))
    return number, 0


def _decode(log_id: str, index: int, payload: bytes) -> AnyRecord:
    try:
        record = decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        record = None
    if record is None or record.index != index:
        raise Corruption("RECORD_UNREADABLE", f"Record {index} of log {log_id} can't be read; run `munjigi audit verify`.")
    return record


def _members(key: int, record: AnyRecord) -> list[tuple[str, int, int]]:
    return [(each, record.time, key) for each in dict.fromkeys(getattr(record, "members", ()))]


def _row(key: int, record: AnyRecord, payload: bytes) -> tuple[Any, ...]:
    about = getattr(record, "decision_id", "")
    kind = type(record).__struct_config__.tag
    columns = [getattr(record, name, "") for name in _COLUMNS[1:]]
    return (key, record.time, kind, *columns, about, payload)


def _select(
    query: RecordQuery, numbers: dict[str, int], place: pages.Place | None, position: tuple[str, int] | None
) -> tuple[str, list[Any]]:
    """Write the statement. Every value is a parameter; the text is made of constants."""
    parts: list[str] = []
    values: list[Any] = []
    source = "record r"
    time, key = "r.time", "r.id"
    if query.members:
        marks = ", ".join("?" * len(query.members))
        rows = f"SELECT DISTINCT time, id FROM member WHERE reference IN ({marks})"  # noqa: S608 -- question marks only
        source = f"({rows}) m CROSS JOIN record r ON r.id = m.id"
        values.extend(query.members)
        time, key = "m.time", "m.id"
    for name in _COLUMNS:
        wanted = getattr(query, name)
        if wanted:
            # The second half lets SQLite see that the partial index holds every match.
            parts.append(f"r.{name} = ? AND r.{name} <> ''")
            values.append(wanted)
    if position is not None:
        parts.append("(r.id = ? OR (r.about = ? AND r.about <> ''))")
        known = position[0] in numbers and position[1] <= _LAST
        values.extend((numbers[position[0]] << _SHIFT | position[1] if known else -1, query.decision_id))
    if query.from_time:
        parts.append(f"{time} >= ?")
        values.append(query.from_time)
    if query.to_time:
        parts.append(f"{time} < ?")
        values.append(query.to_time)
    if place is not None:
        parts.append(f"({time}, {key}) < (?, ?)")
        values.extend((place.time, numbers.get(place.log_id, 0) << _SHIFT | place.index))
    where = f"WHERE {' AND '.join(parts)} " if parts else ""
    # S608: `source` and `where` are made of constants.
    sql = f"SELECT r.id, r.time, r.payload FROM {source} {where}ORDER BY {time} DESC, {key} DESC LIMIT ?"  # noqa: S608
    return sql, values
