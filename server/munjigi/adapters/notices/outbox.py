"""What of the notices waits to be delivered, durably: how far each log was read, the letters that wait, those that were given up.

The log of permission records is the truth; this file only remembers how far that was told. Letters come in with the cursor in
one transaction, and a letter goes when somebody has taken it: a kill between loses nothing and may send one again, under its id.
The follower writes, commands look and ask for another try.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from munjigi.grants.notices.notice import SEVERITIES, Notice
from munjigi.grants.notices.ports import Channel, Letter
from munjigi.kernel.errors import Unavailable
from munjigi.kernel.identity import EmployeeKey

_VERSION: Final = 1
_BUSY_SECONDS: Final = 5.0
_SCHEMA: Final = """
CREATE TABLE log (log_id TEXT PRIMARY KEY, next_index INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE said (notice_id TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE letter (
  letter_id TEXT PRIMARY KEY, channel TEXT NOT NULL, urgency INTEGER NOT NULL, notice BLOB NOT NULL, issuer TEXT NOT NULL,
  subject TEXT NOT NULL, made_at INTEGER NOT NULL, next_at INTEGER NOT NULL, tries INTEGER NOT NULL, reason TEXT NOT NULL,
  dead_at INTEGER NOT NULL
) STRICT;
CREATE INDEX letter_next ON letter (channel, dead_at, urgency DESC, next_at);
"""
_COLUMNS: Final = "letter_id, channel, notice, issuer, subject, made_at, next_at, tries, reason, dead_at"
_encode: Final = msgspec.json.Encoder()
_decode: Final = msgspec.json.Decoder(Notice)


class Kept(NamedTuple):
    """A letter as it lies in the outbox. Times are UTC nanoseconds; `dead_at` is 0 while it waits, `reason` the last failure's."""

    letter: Letter
    channel: Channel
    made_at: int
    next_at: int
    tries: int
    reason: str
    dead_at: int


class Waiting(NamedTuple):
    """What a channel has: letters that wait, since when the oldest does (0: none), and letters that were given up."""

    waiting: int
    since: int
    dead: int


class Outbox:
    """One file of mode 0600. Every method raises `Unavailable` `NOTICES_UNUSABLE` when it can't be used."""

    def __init__(self, path: Path) -> None:
        """Remember where it is; it is made when it is first used."""
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def cursor(self, log_id: str) -> int | None:
        """Return the index of the next record to be told of; None for a log that was never looked at."""
        with self._using() as connection:
            found = connection.execute("SELECT next_index FROM log WHERE log_id = ?", (log_id,)).fetchone()
            return int(found[0]) if found else None

    def take(self, letters: Iterable[tuple[Channel, Letter]], *, now: int, log_id: str = "", next_index: int = 0) -> None:
        """Take letters in and move a log's cursor, both or neither. A letter that waits already, or was given up, stays as it is."""
        with self._using() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            self._insert(connection, letters, now)
            if log_id:
                connection.execute("REPLACE INTO log VALUES (?, ?)", (log_id, next_index))

    def say(self, notices: Sequence[tuple[Notice, Sequence[tuple[Channel, Letter]]]], *, now: int) -> None:
        """Take in letters that time brought about, and remember that they were said; forget what can't come again."""
        with self._using() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for notice, letters in notices:
                if connection.execute("INSERT OR IGNORE INTO said VALUES (?, ?)", (notice.id, notice.until)).rowcount:
                    self._insert(connection, letters, now)
            connection.execute("DELETE FROM said WHERE until < ?", (now,))

    def said(self, notice_id: str) -> bool:
        """Tell whether a notice was said."""
        with self._using() as connection:
            return connection.execute("SELECT 1 FROM said WHERE notice_id = ?", (notice_id,)).fetchone() is not None

    def due(self, channel: Channel, now: int, limit: int) -> list[Kept]:
        """Return letters whose time has come, the most urgent first."""
        query = f"SELECT {_COLUMNS} FROM letter WHERE channel = ? AND dead_at = 0 AND next_at <= ? ORDER BY urgency DESC, next_at LIMIT ?"  # noqa: S608 - a constant
        with self._using() as connection:
            return [_kept(row) for row in connection.execute(query, (channel, now, limit))]

    def sent(self, letter_ids: Iterable[str]) -> None:
        """Let go of letters that were taken."""
        with self._using() as connection, connection:
            connection.executemany("DELETE FROM letter WHERE letter_id = ?", [(each,) for each in letter_ids])

    def failed(self, letter_id: str, reason: str, next_at: int) -> None:
        """Note a try that failed, and when the next one is."""
        with self._using() as connection, connection:
            values = (reason, next_at, letter_id)
            connection.execute("UPDATE letter SET tries = tries + 1, reason = ?, next_at = ? WHERE letter_id = ?", values)

    def give_up(self, channel: Channel, reason: str, *, now: int, made_before: int = 0, letter_id: str = "") -> int:
        """Give up one letter, or all of a channel that were made before a time; return how many."""
        which = "letter_id = ?" if letter_id else "made_at < ?"
        query = f"UPDATE letter SET dead_at = ?, reason = ? WHERE channel = ? AND dead_at = 0 AND {which}"  # noqa: S608 - constants
        with self._using() as connection, connection:
            return connection.execute(query, (now, reason, channel, letter_id or made_before)).rowcount

    def retry(self, letter_ids: Sequence[str], *, now: int) -> int:
        """Let letters wait again from `now` on, as if they were new; all that were given up, without ids. Return how many."""
        query = "UPDATE letter SET dead_at = 0, made_at = ?, next_at = ?, tries = 0 WHERE "
        with self._using() as connection, connection:
            if not letter_ids:
                return connection.execute(query + "dead_at > 0", (now, now)).rowcount
            changed = [connection.execute(query + "letter_id = ?", (now, now, each)).rowcount for each in letter_ids]
            return sum(changed)

    def waiting(self, channel: Channel) -> Waiting:
        """Return what a channel has."""
        query = "SELECT count(*) FILTER (WHERE dead_at = 0), min(made_at) FILTER (WHERE dead_at = 0), count(*) FROM letter WHERE channel = ?"
        with self._using() as connection:
            waiting, since, both = connection.execute(query, (channel,)).fetchone()
            return Waiting(waiting, since or 0, both - waiting)

    def letters(self, *, dead: bool, limit: int) -> list[Kept]:
        """Return letters that wait, or those that were given up, oldest first."""
        query = f"SELECT {_COLUMNS} FROM letter WHERE (dead_at > 0) = ? ORDER BY made_at, letter_id LIMIT ?"  # noqa: S608 - a constant
        with self._using() as connection:
            return [_kept(row) for row in connection.execute(query, (dead, limit))]

    def close(self) -> None:
        """Close the file. A second call does nothing; another use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _insert(self, connection: sqlite3.Connection, letters: Iterable[tuple[Channel, Letter]], now: int) -> None:
        rows = [
            (
                letter.letter_id,
                channel,
                SEVERITIES.index(letter.notice.severity),
                _encode.encode(letter.notice),
                *(letter.recipient or ("", "")),
                now,
                now,
            )
            for channel, letter in letters
        ]
        connection.executemany("INSERT OR IGNORE INTO letter VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '', 0)", rows)

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _opened(self._path)
                yield self._connection
            except (OSError, sqlite3.Error, msgspec.MsgspecError) as error:
                raise Unavailable(
                    "NOTICES_UNUSABLE",
                    f"{self._path} can't be used ({type(error).__name__}): look at its disk and owner; a damaged one may be removed, and "
                    "what was recorded within the last day is told again.",
                ) from error


def _opened(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives -wal and -shm the mode of the file itself
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON"):
            connection.execute(f"PRAGMA {pragma}").close()
        if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _kept(row: Sequence[Any]) -> Kept:
    letter_id, channel, notice, issuer, subject, *rest = row
    recipient = EmployeeKey(issuer, subject) if subject else None
    return Kept(Letter(letter_id, _decode.decode(notice), recipient), channel, *rest)
