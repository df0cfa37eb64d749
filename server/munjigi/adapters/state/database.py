"""Transactions on any database that SQLAlchemy speaks to, and the migrations of what is in it.

What goes wrong is told apart: what passes is `Unavailable`, what was written by newer code `ConfigurationError`, all else `Corruption`.
What databases do differently is in the subclasses: `sqlite.py`, `postgresql.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from sqlalchemy import Connection, Engine, exc, text

from munjigi.adapters.state.log_rows import corrupt
from munjigi.adapters.state.schema import Schema
from munjigi.kernel.errors import FailedPrecondition, MunjigiError, Unavailable

Kind = Literal["read", "write"]


class SqlDatabase(ABC):
    """A database and its connections."""

    options: Mapping[Kind, Mapping[str, Any]]
    """Execution options that make a reader see one moment, and a writer what is committed."""
    driver_error: ClassVar[type[Exception]]
    """What the driver raises; in an event of the pool SQLAlchemy does not wrap it."""
    where: ClassVar[str]
    """Where to look when it can't be used, for its operator."""
    name: ClassVar[str]
    """What findings call it."""

    def __init__(self, engine: Engine) -> None:
        """Keep the engine; nothing is opened yet."""
        self._closed = False
        self._engine = engine

    @abstractmethod
    def _has_table(self, connection: Connection, name: str) -> bool:
        """Tell in plain SQL whether there is a table of this name."""

    @abstractmethod
    def _passes(self, error: Exception) -> bool:
        """Tell whether an error says that the database can't be used now, rather than that it is damaged."""

    @abstractmethod
    def _busy(self, error: Exception) -> bool:
        """Tell whether an error says that others kept what this one waited for."""

    @abstractmethod
    def _began(self, connection: Connection, kind: Kind) -> None:
        """Prepare a transaction that has just begun."""

    @abstractmethod
    def _committed(self) -> None:
        """See that a commit that returned is kept. Raises `driver_error`."""

    @abstractmethod
    def _alone(self, connection: Connection) -> None:
        """Let no other process migrate until this transaction ends."""

    def bring(self, schema: Schema) -> None:
        """Bring a schema to this code's version.

        Raises `ConfigurationError` when newer code made it.
        """
        if self.version_of(schema) == schema.versions[-1]:
            return
        from munjigi.adapters.state.migrate import upgrade  # noqa: PLC0415 - alembic costs start time and memory, a migration is rare

        with self._transaction("write") as connection:
            self._alone(connection)
            if self._schema_version(connection, schema) != schema.versions[-1]:  # another start may have been faster
                upgrade(connection, schema=schema)

    def version_of(self, schema: Schema) -> str:
        """Return the version of a schema here, empty when it never was.

        Raises `ConfigurationError` when newer code made it.
        """
        with self._transaction("read") as connection:
            return self._schema_version(connection, schema)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Look at one moment."""
        with self._transaction("read") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Change tables that are none of the grants' own: whoever uses this commits with the block, and takes no head."""
        with self._transaction("write") as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; a file's write-ahead log is folded in by the last one."""
        self._closed = True
        self._engine.dispose()

    @contextmanager
    def _transaction(self, kind: Kind) -> Iterator[Connection]:
        self._require_open()
        try:
            with self._engine.connect().execution_options(**self.options[kind]) as connection, connection.begin():
                self._began(connection, kind)
                yield connection
            if kind == "write":
                self._committed()
        except (exc.DBAPIError, exc.TimeoutError, self.driver_error) as error:
            raise self._translated(error) from None

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable("STATE_UNREACHABLE", "The state store is closed; open it again.")

    def _translated(self, error: Exception) -> MunjigiError:
        if isinstance(error, exc.IntegrityError):
            return FailedPrecondition("STATE_CONFLICT", "Another change came first; read the state again and retry.")
        if self._busy(error):
            return Unavailable(
                "STATE_BUSY", "Others keep writing to the state store, and this waited for its turn for seconds; try again."
            )
        if isinstance(error, exc.TimeoutError) or self._passes(error):
            message = f"The state store can't be used now (overloaded, full, read-only or gone); look at {self.where}."
            return Unavailable("STATE_UNREACHABLE", message)
        return corrupt("is damaged")

    def _schema_version(self, connection: Connection, schema: Schema) -> str:
        # Plain SQL, so that a start without a pending migration does not import alembic.
        if not self._has_table(connection, schema.table):
            return ""
        version = str(connection.execute(text(f"SELECT version_num FROM {schema.table}")).scalar_one_or_none() or "")  # noqa: S608 - a constant
        if version and version not in schema.versions:
            raise schema.unknown()
        return version
