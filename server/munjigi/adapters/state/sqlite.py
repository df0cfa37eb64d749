"""The state store on one SQLite file.

A commit is durable when `apply` returns (WAL with `synchronous=FULL`), and complete or absent after a crash. A writer takes
the file's write lock when it begins.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Executable, Update, create_engine, event, exc, text

from munjigi.adapters.state.store import Kind, SqlStateStore
from munjigi.audit.files import require_kept
from munjigi.kernel.errors import ConfigurationError, Corruption, Unavailable

_BUSY_SECONDS: Final = 5
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA fullfsync=ON",  # macOS: fsync alone does not reach the disk there
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}",
)


_READ_PRAGMAS: Final = ("PRAGMA query_only=ON", f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")


class SqliteStateStore(SqlStateStore):
    """A state store in one file of mode 0600."""

    options = MappingProxyType({"read": {"munjigi_begin": "BEGIN"}, "write": {"munjigi_begin": "BEGIN IMMEDIATE"}})
    driver_error = sqlite3.DatabaseError
    name = "state.sqlite"
    where = "its folder, its disk and its owner"

    def __init__(self, path: Path, *, read_only: bool = False, synthetic: bool = False) -> None:
        """Open or make the file. A reader (`read_only`) makes and changes nothing; until the file is there, it is `Unavailable`.

        `synthetic`: every permission record says that it is none of a real company.
        Raises `ConfigurationError` when others may read or write it, or when it can't be made there.
        """
        if not read_only:
            _make_private(path)
        url = f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true" if read_only else f"sqlite:///{path}"
        engine = create_engine(url, pool_size=2, max_overflow=2, pool_timeout=_BUSY_SECONDS)
        event.listen(engine, "connect", partial(_prepare, _READ_PRAGMAS if read_only else _PRAGMAS))
        event.listen(engine, "begin", _begin)
        super().__init__(engine, synthetic=synthetic)
        self._path = path

    def _has_tables(self, connection: Connection) -> bool:
        return connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")).first() is not None

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

    def _telling(self, moved: Update) -> Executable:
        return moved  # there is no way to tell

    def _passes(self, error: Exception) -> bool:
        return isinstance(error, (exc.OperationalError, exc.InterfaceError, sqlite3.OperationalError))


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
    # A writer takes its lock at once: upgrading a read lock later could fail on a busy store.
    connection.exec_driver_sql(connection.get_execution_options()["munjigi_begin"])
