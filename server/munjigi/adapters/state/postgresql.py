"""The state store in a PostgreSQL database (14 to 18): several instances over one state.

A commit is durable when `apply` returns: a server that may lose one is refused, on every connection that is made (promise P1).
A writer begins by locking the one head row (READ COMMITTED), so each statement after that sees all that was committed before,
and nothing is until it is done. A reader sees one moment (REPEATABLE READ, read only) and waits for nobody.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final, NamedTuple

import psycopg
from sqlalchemy import Connection, Executable, Update, create_engine, exc, func, select, text

from munjigi.adapters.state.address import CHANNEL, SCHEMA, Address
from munjigi.adapters.state.database import Kind
from munjigi.adapters.state.store import SqlStateStore
from munjigi.kernel.errors import ConfigurationError, MunjigiError, Unavailable

OLDEST: Final = 14  # major version
_MIGRATING: Final = 0x6D756E6A69676901  # the advisory lock's number: "munjigi", 1
_WAIT_SECONDS: Final = 60  # for another process's migration
_LONG_SECONDS: Final = 600  # for one read
_LONG: Final = text(
    f"SELECT set_config('statement_timeout', '{_LONG_SECONDS}s', true), "
    f"set_config('idle_in_transaction_session_timeout', '{_LONG_SECONDS}s', true)"
)
_POOL: Final = 4
_POOL_SECONDS: Final = 5
_DURABLE: Final = {
    "fsync": ({"on"}, "set fsync = on in postgresql.conf"),
    "full_page_writes": ({"on"}, "set full_page_writes = on in postgresql.conf"),
    "synchronous_commit": (
        {"on", "local", "remote_write", "remote_apply"},
        "set synchronous_commit = on for the server, the database and the account of MUNJIGI_STATE_URL",
    ),
}
_READ: Final = MappingProxyType({"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
_WRITE: Final = MappingProxyType({"isolation_level": "READ COMMITTED"})
# SQLSTATE classes of what passes, or is the administrator's to mend; all others mean that what is stored is not what was written.
_PASSING: Final = frozenset({"08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"})


class Server(NamedTuple):
    """What a look at the server found."""

    version: str
    tls: bool
    superuser: bool


class PostgresqlStateStore(SqlStateStore):
    """A state store in the schema `munjigi` of a database."""

    driver_error = psycopg.Error
    where = "the database, its log and its disk, and that MUNJIGI_STATE_URL names it"
    name = "postgresql"

    def __init__(self, address: Address, *, read_only: bool = False) -> None:
        """Keep where it is; the first use connects. A reader (`read_only`) makes and changes nothing."""
        self._address = address
        self._read_only = read_only
        self.options = {"read": _READ, "write": _READ if read_only else _WRITE}
        engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            pool_size=_POOL,
            max_overflow=_POOL,
            pool_timeout=_POOL_SECONDS,
            pool_pre_ping=True,  # a server that was started again costs nobody an error
            use_native_hstore=False,
        )
        super().__init__(engine)

    def migrate(self) -> None:
        """Bring the schema to this code's version, alone: starts that migrate at the same time wait for one another.

        Raises `ConfigurationError` when the server is not safe, newer code wrote it, or the account may not change the schema;
        `Unavailable` with the server's word when it can't be reached.
        """
        if not self._closed:
            self.look()
        super().migrate()

    def look(self) -> Server:
        """Connect once and say what is there.

        Raises `ConfigurationError` when it is not safe, `Unavailable` with its own words when it can't be reached.
        """
        try:
            with self._connect() as connection:
                found = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
                version = str(connection.info.parameter_status("server_version"))
                return Server(version, connection.pgconn.ssl_in_use, found is not None and bool(found[0]))
        except psycopg.Error as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise Unavailable("STATE_UNREACHABLE", f"The state store can't be reached: {said}; look at {self.where}.") from None

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(**self._address.parameters(read_only=self._read_only), autocommit=True)
        try:
            _refuse_unsafe(connection)
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise
        return connection

    def _has_table(self, connection: Connection, name: str) -> bool:
        found = connection.execute(text("SELECT to_regclass(:name)"), {"name": f"{SCHEMA}.{name}"})
        return found.scalar_one() is not None

    def _began(self, connection: Connection, kind: Kind) -> None:
        if kind == "read":  # holds nobody up, and may read a million rows
            connection.execute(_LONG)

    def _committed(self) -> None:
        """Do nothing: the server writes into segments of its log that are on the disk already."""

    def _alone(self, connection: Connection) -> None:
        connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'"))
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
        # Readers and writers of the version before go on meanwhile: a table that one of them holds is not waited for long.
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        if connection.execute(text("SELECT to_regnamespace(:name)"), {"name": SCHEMA}).scalar_one() is None:
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))

    def _telling(self, moved: Update) -> Executable:
        return moved.returning(func.pg_notify(CHANNEL, ""))

    def _busy(self, error: Exception) -> bool:
        return _state(error) == psycopg.errors.LockNotAvailable.sqlstate

    def _passes(self, error: Exception) -> bool:
        state = _state(error)
        return isinstance(_cause(error), (psycopg.OperationalError, psycopg.InterfaceError)) or state[:2] in _PASSING

    def _translated(self, error: Exception) -> MunjigiError:
        if _state(error) == psycopg.errors.InsufficientPrivilege.sqlstate:
            return ConfigurationError(
                "STATE_NOT_PERMITTED",
                "The account of MUNJIGI_STATE_URL may not do this in the database; let it own the schema munjigi "
                "(docs/operations.md, State in PostgreSQL).",
            )
        return super()._translated(error)


def _cause(error: Exception) -> BaseException:
    return error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error


def _state(error: Exception) -> str:
    return getattr(_cause(error), "sqlstate", None) or ""


def _refuse_unsafe(connection: psycopg.Connection[Any]) -> None:
    """Refuse a server that may lose what it said is committed, or that orders and keeps texts in other ways.

    Raises `ConfigurationError`.
    """
    names = list(_DURABLE)
    found = connection.execute(
        "SELECT current_setting(name) FROM unnest(%s::text[]) WITH ORDINALITY AS n(name, at) ORDER BY at", [names]
    )
    for name, (value,) in zip(names, found.fetchall(), strict=True):
        fine, fix = _DURABLE[name]
        if value not in fine:
            raise ConfigurationError("STATE_NOT_DURABLE", f"The database may lose what it has committed: {fix}.")
    version, encoding = connection.info.server_version // 10_000, connection.info.parameter_status("server_encoding")
    if version < OLDEST:
        raise ConfigurationError("STATE_SERVER_OLD", f"The database is PostgreSQL {version}; use {OLDEST} or newer.")
    if encoding != "UTF8":
        raise ConfigurationError(
            "STATE_ENCODING", "The database is not in UTF8; make it with CREATE DATABASE ... ENCODING 'UTF8'."
        )
