"""The state store on one SQLite file, and the leases of its workers in another one beside it.

A commit is durable when `apply` returns (WAL with `synchronous=FULL`), and complete or absent after a crash.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Executable, Update

from munjigi.adapters.state.lease_file import LeaseFile
from munjigi.adapters.state.leases import store_clock
from munjigi.adapters.state.log_rows import head_of
from munjigi.adapters.state.sqlite_file import BUSY_SECONDS, SqliteDatabase
from munjigi.adapters.state.store import SqlStateStore
from munjigi.grants.ports import LeaseRow, Leases
from munjigi.kernel.errors import Corruption, Unavailable


class SqliteStateStore(SqliteDatabase, SqlStateStore):
    """A state store in one file of mode 0600. Leases are renewed by one thread."""

    name = "state.sqlite"

    def __init__(self, path: Path, *, read_only: bool = False, synthetic: bool = False) -> None:
        """Open or make the file, as `SqliteDatabase` does. `synthetic`: every permission record says that it is none of a real company."""
        super().__init__(path, read_only=read_only)
        self._synthetic = synthetic
        self._lease_path = path.with_name(f"{path.stem}-leases.sqlite")
        self._lease_file: LeaseFile | None = None

    def leases(self) -> Leases:
        """Return all leases, and then revision and clock."""
        rows = self._rows()
        with self._transaction("read") as connection:  # begun after the leases were read
            return Leases(rows, head_of(connection), store_clock(connection))

    def renew_lease(self, row: LeaseRow) -> Leases:
        """Put a worker's lease in the place of its one before; what is returned is read in transactions after its commit."""
        self._require_open()
        if self._lease_file is None or self._lease_file.replaced:
            self._let_go()
            self._lease_file = LeaseFile(self._lease_path)
        self._lease_file.renew(row)
        return self.leases()

    def end_lease(self, row: LeaseRow) -> None:
        """Remove a lease, unless it was renewed since."""
        if self._lease_file is not None:
            self._lease_file.end(row)

    def close(self) -> None:
        """Close all connections; the write-ahead logs are folded in by the last one."""
        self._let_go()
        super().close()

    def _rows(self) -> tuple[LeaseRow, ...]:
        if self._lease_file is not None:
            return self._lease_file.rows()
        if not self._lease_path.exists():
            return ()  # no worker has run here yet
        with closing(LeaseFile(self._lease_path, read_only=True)) as file:
            return file.rows()

    def _let_go(self) -> None:
        if self._lease_file is not None:
            self._lease_file.close()
            self._lease_file = None

    def _telling(self, moved: Update) -> Executable:
        return moved  # there is no way to tell


def copy_store(source: Path, target: Path) -> None:
    """Copy a store as of one moment into one file of mode 0600, while others read and write it.

    Raises `Unavailable` when the store can't be read or the copy can't be written, `Corruption` when the store is damaged.
    """
    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as store,
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
