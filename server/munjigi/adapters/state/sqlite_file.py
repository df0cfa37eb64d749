"""A database in one SQLite file: its connections, its waiting for others, its commits.

A writer takes the file's write lock when it begins, and asks for it every few milliseconds. SQLite's own waiting sleeps for a tenth of a
second between two questions, so that with three writers at work one of them waited for more than five.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event, exc, text

from munjigi.adapters.state.database import Kind, SqlDatabase
from munjigi.audit.files import require_kept
from munjigi.kernel.errors import ConfigurationError

BUSY_SECONDS: Final = 5
_ASKING: Final = 0.001, 0.01  # seconds between two questions for the write lock: at least, at most
_POOL: Final = 4  # connections that stay open
_MOST: Final = 64  # more than threads ask at once, so that none of them waits for a connection
_BUSY: Final = f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}"  # of readers, and of what a writer does with the lock


class SqliteDatabase(SqlDatabase):
    """A database in one file of mode 0600."""

    options = MappingProxyType({"read": {"munjigi_begin": "BEGIN"}, "write": {"munjigi_begin": "BEGIN IMMEDIATE"}})
    driver_error = sqlite3.DatabaseError
    where = "its folder, its disk and its owner"
    pragmas: ClassVar[tuple[str, ...]] = (
        "PRAGMA synchronous=FULL",
        "PRAGMA fullfsync=ON",  # macOS: fsync alone does not reach the disk there
        "PRAGMA foreign_keys=ON",
    )
    """What each connection of a writer begins with."""
    patience: float = BUSY_SECONDS
    """How long a writer waits for others, in seconds."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or make the file. A reader (`read_only`) makes and changes nothing; until the file is there, it is `Unavailable`.

        Raises `ConfigurationError` when others may read or write it, or when it can't be made there.
        """
        if not read_only:
            _make_private(path)
        url = f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true" if read_only else f"sqlite:///{path}"
        engine = create_engine(url, pool_size=_POOL, max_overflow=_MOST - _POOL, pool_timeout=BUSY_SECONDS)
        pragmas = ("PRAGMA query_only=ON",) if read_only else ("PRAGMA journal_mode=WAL", *self.pragmas)
        event.listen(engine, "connect", partial(_prepare, (_BUSY, *pragmas)))
        event.listen(engine, "begin", self._begin)
        super().__init__(engine)
        self._path = path

    def _begin(self, connection: Connection) -> None:
        begin = connection.get_execution_options()["munjigi_begin"]
        driver: Any = connection.connection.dbapi_connection
        if begin == "BEGIN":
            driver.execute(begin).close()
            return
        # A writer takes its lock at once: upgrading a read lock later could fail on a busy store.
        until = time.monotonic() + self.patience
        driver.execute("PRAGMA busy_timeout=0").close()
        try:
            while True:
                try:
                    driver.execute(begin).close()
                except sqlite3.OperationalError as error:
                    if not self._busy(error) or time.monotonic() >= until:
                        raise
                else:
                    return
                time.sleep(random.uniform(*_ASKING))  # noqa: S311 - spreads, hides nothing
        finally:
            driver.execute(_BUSY).close()

    def _has_table(self, connection: Connection, name: str) -> bool:
        return connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = :name"), {"name": name}).first() is not None

    def _began(self, connection: Connection, kind: Kind) -> None:
        """Do nothing: `BEGIN` has said it."""

    def _committed(self) -> None:
        """See that SQLite's own sync was kept: it does not look."""
        try:
            require_kept(self._path)
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror) from error

    def _alone(self, connection: Connection) -> None:
        """Do nothing: a writer is alone."""

    def _busy(self, error: Exception) -> bool:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY  # of an extended code the lowest byte says it

    def _passes(self, error: Exception) -> bool:
        return isinstance(error, (exc.OperationalError, exc.InterfaceError, sqlite3.OperationalError))


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
