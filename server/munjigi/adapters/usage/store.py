"""Counted use in tables of SQLAlchemy: in a file of its own, or in the database of the state, so that all hosts' use lies in one place.

It is made out of the logs, but outlives records that retention removes. So it is no cache, and a backup has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from sqlalchemy import Connection, Row, bindparam, insert, select, text, update

from munjigi.adapters.state.schema import Schema
from munjigi.adapters.state.sqlite_file import SqliteDatabase
from munjigi.adapters.usage.rows import added, uses_of
from munjigi.adapters.usage.schema import USAGE_SCHEMA
from munjigi.adapters.usage.tables import USAGE, USAGE_CLAIM, USAGE_GAP, USAGE_GRANT, USAGE_LOG
from munjigi.kernel.errors import Corruption, MunjigiError, Unavailable
from munjigi.kernel.review import Permission
from munjigi.review.days import Days
from munjigi.review.ports import Gap, LogMark, PermissionUse, Taken
from munjigi.review.usage import OWN

VERSION: Final = 1  # of the bytes in the rows (`rows.py`); the tables have that of their schema
_PIECE: Final = 500  # grants of one statement
_encoder: Final = msgspec.msgpack.Encoder()
_GRANTS: Final = select(USAGE_GRANT.c.grant_id, USAGE_GRANT.c.used).where(
    USAGE_GRANT.c.grant_id.in_(bindparam("ids", expanding=True))
)
_WHOLE: Final = select(USAGE_GRANT.c.grant_id, USAGE_GRANT.c.used, USAGE_GRANT.c.sketches).where(
    USAGE_GRANT.c.grant_id.in_(bindparam("ids", expanding=True))
)
_LAST: Final = select(USAGE_GRANT.c.grant_id, USAGE_GRANT.c.last_at).where(
    USAGE_GRANT.c.grant_id.in_(bindparam("ids", expanding=True))
)
# Both databases have this form of it.
_BEGIN: Final = text("INSERT INTO usage (one, version, zone) VALUES (1, :version, :zone) ON CONFLICT (one) DO NOTHING")
_KNOWN: Final = select(USAGE.c.version, USAGE.c.zone)
_PUT: Final = text(
    "INSERT INTO usage_grant (grant_id, last_at, used, sketches) VALUES (:grant_id, :last_at, :used, :sketches) "
    "ON CONFLICT (grant_id) DO UPDATE SET last_at = excluded.last_at, used = excluded.used, sketches = excluded.sketches"
)
_CLAIM: Final = text(
    "INSERT INTO usage_claim (log_id, position, waits) VALUES (:log_id, :position, :waits) "
    "ON CONFLICT (log_id, position) DO UPDATE SET waits = excluded.waits"
)


class Moment(NamedTuple):
    """All that is counted, at one moment: where in each log, what never was, and each grant's bytes (`rows.py`).

    `unsettled` are decisions, by log and index, that a confirmation in another log is still to be counted for.
    """

    marks: tuple[LogMark, ...]
    gaps: tuple[Gap, ...]
    unsettled: frozenset[tuple[str, int]]
    grants: Mapping[str, tuple[bytes, bytes]]


class Database(Protocol):
    """What opens transactions and runs migrations: the state's store, or a file like it."""

    def bring(self, schema: Schema) -> None:
        """Bring a schema to this code's version. Raises `ConfigurationError` when newer code made it."""
        ...

    def version_of(self, schema: Schema) -> str:
        """Return the version of a schema, empty where there is none. Raises `ConfigurationError` when newer code made it."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """Look at one moment."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """Change something; it is committed with the block."""
        ...

    def close(self) -> None:
        """Let go of it. A second call does nothing."""
        ...


class UsageFile(SqliteDatabase):
    """A file of counted use."""

    name = "usage.sqlite"

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or make the file. A reader waits for the follower to make it. Raises `Unavailable`, `ConfigurationError`."""
        if read_only and not path.exists():
            raise _not_ready()
        super().__init__(path, read_only=read_only)

    def _translated(self, error: Exception) -> MunjigiError:
        found = super()._translated(error)
        if isinstance(found, Unavailable):
            return Unavailable(
                "USAGE_UNAVAILABLE", "The counted use (usage.sqlite) can't be used now; look at its folder, disk and owner."
            )
        if isinstance(found, Corruption):
            return Corruption(
                "USAGE_CORRUPT", "The counted use (usage.sqlite) is damaged; restore it from a backup (docs/reviews.md)."
            )
        return found


class SqlUsageStore:
    """Implements `review.ports.UsageStore` over a database. The zone in which days are counted is fixed when the tables are made."""

    def __init__(self, database: Database, *, zone: str = "") -> None:
        """Open it; with a zone (IANA name) as the one who counts, who brings the tables to this code's version.

        Raises `Unavailable` while they are not, `ConfigurationError` when newer code made them.
        """
        self._database = database
        self._permissions: dict[tuple[str, str], Permission] = {}
        try:
            self.days: Final = Days(self._open(zone))
        except BaseException:
            database.close()
            raise

    @property
    def zone(self) -> str:
        """The zone of its days."""
        return self.days.zone

    def marks(self) -> tuple[LogMark, ...]:
        """Return where counting stands in each log."""
        with self._database.reading() as connection:
            return tuple(_mark(row) for row in connection.execute(select(USAGE_LOG).order_by(USAGE_LOG.c.log_id)))

    def mark(self, log_id: str) -> LogMark | None:
        """Return where counting stands in one log."""
        with self._database.reading() as connection:
            row = connection.execute(select(USAGE_LOG).where(USAGE_LOG.c.log_id == log_id)).one_or_none()
            return _mark(row) if row is not None else None

    def gaps(self) -> tuple[Gap, ...]:
        """Return what was never counted."""
        ordered = select(USAGE_GAP).order_by(USAGE_GAP.c.log_id, USAGE_GAP.c.first_index)
        with self._database.reading() as connection:
            return tuple(Gap(*row) for row in connection.execute(ordered))

    def claims(self, log_id: str) -> Mapping[int, str]:
        """Return the decisions of a log that were confirmed in another one."""
        found = select(USAGE_CLAIM.c.position, USAGE_CLAIM.c.waits).where(USAGE_CLAIM.c.log_id == log_id)
        with self._database.reading() as connection:
            return {int(position): str(waits) for position, waits in connection.execute(found)}

    def of(self, grant_ids: Sequence[str]) -> Mapping[str, tuple[PermissionUse, ...]]:
        """Return how these grants were used."""
        return {str(grant_id): uses_of(used, self._permissions) for grant_id, used in self._rows(_GRANTS, grant_ids)}

    def last_used(self, grant_ids: Sequence[str]) -> Mapping[str, int]:
        """Return when these grants were last used."""
        return {str(grant_id): int(last_at) for grant_id, last_at in self._rows(_LAST, grant_ids)}

    def moment(self) -> Moment:
        """Return all that is counted; of 100,000 grants some 100 MB."""
        with self._database.reading() as connection:
            marks = tuple(_mark(row) for row in connection.execute(select(USAGE_LOG).order_by(USAGE_LOG.c.log_id)))
            gaps = tuple(Gap(*row) for row in connection.execute(select(USAGE_GAP)))
            waiting = select(USAGE_CLAIM.c.log_id, USAGE_CLAIM.c.position).where(USAGE_CLAIM.c.waits.not_in(("", OWN)))
            unsettled = frozenset((str(log_id), int(position)) for log_id, position in connection.execute(waiting))
            columns = (USAGE_GRANT.c.grant_id, USAGE_GRANT.c.used, USAGE_GRANT.c.sketches)
            rows = connection.execution_options(yield_per=_PIECE).execute(select(*columns))
            return Moment(marks, gaps, unsettled, {str(grant_id): (used, sketches) for grant_id, used, sketches in rows})

    def take(self, taken: Taken) -> bool:
        """Add counts and move the cursor, both or neither; False when the cursor is elsewhere."""
        with self._database.writing() as connection:
            connection.execute(select(USAGE.c.one).with_for_update())
            mark = taken.mark
            now = connection.execute(select(USAGE_LOG.c.next_index).where(USAGE_LOG.c.log_id == mark.log_id)).scalar_one_or_none()
            if (now or 0) != taken.before:
                return False
            values = mark._asdict()
            if now is None:
                connection.execute(insert(USAGE_LOG), values)
            else:
                connection.execute(update(USAGE_LOG).where(USAGE_LOG.c.log_id == mark.log_id).values(values))
            if taken.gap is not None:
                connection.execute(insert(USAGE_GAP), taken.gap._asdict())
            if taken.claims:
                connection.execute(
                    _CLAIM, [{"log_id": at[0], "position": at[1], "waits": waits} for at, waits in sorted(taken.claims.items())]
                )
            ids = sorted(taken.counted)
            for at in range(0, len(ids), _PIECE):
                piece = ids[at : at + _PIECE]
                known = {grant_id: (used, sketches) for grant_id, used, sketches in connection.execute(_WHOLE, {"ids": piece})}
                rows = []
                for grant_id in piece:
                    last_at, used, sketches = added(*known.get(grant_id, (b"", b"")), taken.counted[grant_id], self.days)
                    rows.append({"grant_id": grant_id, "last_at": last_at, "used": used, "sketches": sketches})
                connection.execute(_PUT, rows)
        return True

    def export(self) -> Iterator[bytes]:
        """Yield the zone, each log's cursor, gaps, then each grant by id with its bytes, as msgpack.

        What depends on when somebody looked is left out, so that whoever counts the same records anew gets the same.
        """
        with self._database.reading() as connection:
            yield _encoder.encode(("munjigi usage", VERSION, self.zone))
            for row in connection.execute(select(USAGE_LOG).order_by(USAGE_LOG.c.log_id)):
                mark = _mark(row)
                yield _encoder.encode((mark.log_id, mark.next_index, mark.begins_at, mark.time))
            for gap in connection.execute(select(USAGE_GAP).order_by(USAGE_GAP.c.log_id, USAGE_GAP.c.first_index)):
                yield _encoder.encode(tuple(gap))
            # By code point, whatever the database's own order of texts is.
            columns = (USAGE_GRANT.c.grant_id, USAGE_GRANT.c.last_at, USAGE_GRANT.c.used, USAGE_GRANT.c.sketches)
            for row in connection.execution_options(yield_per=_PIECE).execute(select(*columns).order_by(USAGE_GRANT.c.grant_id)):
                yield _encoder.encode(tuple(row))

    def digest(self) -> str:
        """Return the SHA-256 of all that `export` yields, hex."""
        found = hashlib.sha256()
        for each in self.export():
            found.update(each)
        return found.hexdigest()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _rows(self, statement: Any, grant_ids: Sequence[str]) -> Iterator[Row[*tuple[Any, ...]]]:
        with self._database.reading() as connection:
            for at in range(0, len(grant_ids), _PIECE):
                yield from connection.execute(statement, {"ids": list(grant_ids[at : at + _PIECE])})

    def _open(self, zone: str) -> str:
        """Return the zone of the tables, which are made or migrated where `zone` is given."""
        if zone:
            self._database.bring(USAGE_SCHEMA)
            with self._database.reading() as connection:
                known = connection.execute(_KNOWN).one_or_none()
            if known is None:
                with self._database.writing() as connection:
                    connection.execute(_BEGIN, {"version": VERSION, "zone": zone})  # unless another host is faster
        elif self._database.version_of(USAGE_SCHEMA) != USAGE_SCHEMA.versions[-1]:
            raise _not_ready()
        with self._database.reading() as connection:
            known = connection.execute(_KNOWN).one_or_none()
        if known is None:
            raise _not_ready()
        version, found = known
        if version != VERSION:
            raise USAGE_SCHEMA.unknown()
        return str(found)


def _mark(row: Row[*tuple[Any, ...]]) -> LogMark:
    return LogMark(*tuple(row))


def _not_ready() -> Unavailable:
    return Unavailable("USAGE_NOT_READY", "No use is counted here yet; the follower makes it within a moment of its start.")
