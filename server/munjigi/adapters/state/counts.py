"""How many hold what, counted by the database: no table of millions is carried about for a few numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, case, func, select

from munjigi.adapters.state.store import SqlStateStore
from munjigi.adapters.state.tables import PERMISSION_LOG, PERSON, ROLE_GRANT

_DAY: Final = 86_400 * 1_000_000_000
ENDING: Final = {"1d": _DAY, "7d": 7 * _DAY, "30d": 30 * _DAY}


class Holdings(NamedTuple):
    """Grants that are not over, by state; active ones by how soon they end; emergency ones that count; people by state.

    `expired` grants reached their end since the moment that was asked for.
    """

    grants: Mapping[str, int]
    ending: Mapping[str, int]
    break_glass: int
    expired: int
    people: Mapping[str, int]


def count_holdings(store: SqlStateStore, since: int, now: int) -> Holdings:
    """Count at `now` (UTC nanoseconds). Raises `Unavailable`."""
    grant = ROLE_GRANT.c
    going_on = grant.starts_at <= now
    active = going_on & (grant.suspended == "")
    wanted: dict[str, ColumnElement[bool]] = {
        "active": active,
        "upcoming": ~going_on & (grant.suspended == ""),
        "suspended": grant.suspended != "",
        "break_glass": active & grant.break_glass,
        **{within: active & (grant.ends_at <= now + length) for within, length in ENDING.items()},
    }
    sums = select(*(func.coalesce(func.sum(case((each, 1), else_=0)), 0).label(name) for name, each in wanted.items()))
    over = select(func.count()).where(grant.ended == "", grant.ends_at > since, grant.ends_at <= now)
    by_status = select(PERSON.c.status, func.count().label("people")).group_by(PERSON.c.status)
    with store.reading() as connection:
        held = connection.execute(sums.where(grant.ends_at > now)).mappings().one()
        expired = connection.execute(over).scalar_one()
        people = {str(row.status): int(row.people) for row in connection.execute(by_status)}
    found = {name: int(held[name]) for name in wanted}
    return Holdings(
        {state: found[state] for state in ("active", "upcoming", "suspended")},
        {within: found[within] for within in ENDING},
        found["break_glass"],
        int(expired),
        people,
    )


def records_after(store: SqlStateStore, revision: int, limit: int) -> Sequence[bytes]:
    """Return the permission records after a grant revision, oldest first, as their bytes. Raises `Unavailable`."""
    log = PERMISSION_LOG.c
    query = select(log.payload).where(log.grant_revision > revision).order_by(log.grant_revision).limit(limit)
    with store.reading() as connection:
        return list(connection.execute(query).scalars())


def grants_in_force(store: SqlStateStore, now: int) -> frozenset[str]:
    """Return the ids of the grants that count at `now` (UTC nanoseconds). Raises `Unavailable`."""
    columns = ROLE_GRANT.c
    active = select(columns.grant_id).where(columns.starts_at <= now, columns.ends_at > now, columns.suspended == "")
    with store.reading() as connection:
        return frozenset(connection.execute(active).scalars())
