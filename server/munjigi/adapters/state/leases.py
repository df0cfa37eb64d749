"""Rows of leases, inside a transaction of the caller."""

from __future__ import annotations

import time
from typing import Final

from sqlalchemy import Connection, delete, insert, select, text, update

from munjigi.adapters.state.tables import LEASE
from munjigi.grants.ports import LeaseRow

_CLOCKS: Final = {"postgresql": "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) * 1000"}


def store_clock(connection: Connection) -> int:
    """Return the store's clock, UTC nanoseconds: the server's, or this machine's for a file."""
    asked = _CLOCKS.get(connection.dialect.name)
    return time.time_ns() if asked is None else int(connection.execute(text(asked)).scalar_one())


def read_leases(connection: Connection) -> tuple[LeaseRow, ...]:
    """Return all leases, ordered by instance."""
    columns = LEASE.c.instance, LEASE.c.applied, LEASE.c.renewal, LEASE.c.length
    return tuple(LeaseRow(*row) for row in connection.execute(select(*columns).order_by(LEASE.c.instance)))


def write_lease(connection: Connection, row: LeaseRow) -> None:
    """Put a lease in the place of the one before."""
    values = {**row._asdict(), "renewed_at": store_clock(connection)}
    if connection.execute(update(LEASE).where(LEASE.c.instance == row.instance).values(values)).rowcount == 0:
        connection.execute(insert(LEASE).values(values))


def remove_lease(connection: Connection, row: LeaseRow) -> None:
    """Remove a lease, unless it was renewed since."""
    connection.execute(delete(LEASE).where(LEASE.c.instance == row.instance, LEASE.c.renewal == row.renewal))
