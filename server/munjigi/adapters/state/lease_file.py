"""Leases of the workers of one state folder, in a file of their own: a renewal waits for other renewals alone (promise P8).

In the state's file it would wait for its turn among writers, of which a single one may take longer than a lease. Nothing that P8 rests
on needs both files in one transaction: who looks whether a revision is applied reads the leases after its commit, and whose lease had run
out reads the revision after its own renewal. So either the one sees the lease, or the other sees the revision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, event

from munjigi.adapters.state.database import Kind
from munjigi.adapters.state.leases import read_leases, remove_lease, write_lease
from munjigi.adapters.state.schema import LEASES
from munjigi.adapters.state.sqlite_file import SqliteDatabase
from munjigi.grants.ports import LeaseRow
from munjigi.kernel.errors import Unavailable

_FILE: Final = "file"  # of a connection: which file it has open


class LeaseFile(SqliteDatabase):
    """The file. Whatever a loss of power takes of it concerned workers that are gone, so that no renewal waits for the disk."""

    name = "state-leases.sqlite"
    pragmas = ("PRAGMA synchronous=NORMAL",)  # whole after a loss of power, without the last commits
    patience = 1.0

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or make the file, with its table. Raises `Unavailable`, `ConfigurationError`."""
        super().__init__(path, read_only=read_only)
        self.replaced = False
        event.listen(self._engine, "connect", self._note)
        if not read_only:
            try:
                self.bring(LEASES)
            except BaseException:
                self.close()
                raise

    def rows(self) -> tuple[LeaseRow, ...]:
        """Return all leases, ordered by instance."""
        with self.reading() as connection:
            return read_leases(connection)

    def renew(self, row: LeaseRow) -> None:
        """Put a lease in the place of the one before."""
        with self.writing() as connection:
            write_lease(connection, row)

    def end(self, row: LeaseRow) -> None:
        """Remove a lease, unless it was renewed since."""
        with self.writing() as connection:
            remove_lease(connection, row)

    def _note(self, _connection: object, record: object) -> None:
        record.info[_FILE] = self._identity()  # type: ignore[attr-defined]  # SQLAlchemy's record of a connection

    def _began(self, connection: Connection, kind: Kind) -> None:
        """Refuse a file that others don't have any more: each would see the leases of some workers only."""
        if connection.info[_FILE] != self._identity():
            self.replaced = True
            raise Unavailable(
                "LEASES_REPLACED",
                f"{self._path.name} was removed or replaced under running workers, and is opened anew: try again, and leave it alone.",
            )

    def _identity(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    def _committed(self) -> None:
        """Do nothing: a lease need not outlive the machine."""
