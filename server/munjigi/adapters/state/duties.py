"""Rows of duties, inside a transaction of the caller: each is replaced only by who knows what stands there, and fences what its holder writes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from munjigi.adapters.state.leases import store_clock
from munjigi.adapters.state.tables import DUTY
from munjigi.grants.ports import DutyRow
from munjigi.kernel.errors import FailedPrecondition

_ROW: Final = select(DUTY.c.name, DUTY.c.holder, DUTY.c.fence, DUTY.c.renewal, DUTY.c.length).where(
    DUTY.c.name == bindparam("mine")
)
_LOCKED: Final = _ROW.with_for_update()
_FENCE: Final = select(DUTY.c.fence).where(DUTY.c.name == bindparam("mine")).with_for_update(read=True)
_CHANGE: Final = update(DUTY).where(DUTY.c.name == bindparam("mine"))


def read_duty(connection: Connection, name: str) -> DutyRow | None:
    """Return who has a duty; None when nobody ever had."""
    found = connection.execute(_ROW, {"mine": name}).first()
    return None if found is None else DutyRow(*found)


def replace_duty(connection: Connection, row: DutyRow, over: DutyRow | None) -> DutyRow:
    """Put `row` in the place of `over`, unless something else stands there; return what stands there then."""
    found = connection.execute(_LOCKED, {"mine": row.name}).first()
    known = None if found is None else DutyRow(*found)
    if known is not None and known != over:
        return known
    values = {**row._asdict(), "renewed_at": store_clock(connection)}
    if known is None:
        connection.execute(insert(DUTY), values)
    else:
        connection.execute(_CHANGE, {"mine": row.name, **values})
    return row


def require_fence(connection: Connection, name: str, fence: int) -> None:
    """Let nobody take the duty over before this transaction ends.

    Raises `FailedPrecondition` `DUTY_LOST` when somebody has already.
    """
    if connection.execute(_FENCE, {"mine": name}).scalar_one_or_none() != fence:
        raise FailedPrecondition("DUTY_LOST", "Another host does this now; there is nothing to do here.")
