"""Copy all rows of a state store into an empty one: how a database's state gets into a backup, and back."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from munjigi.adapters.state.tables import HEAD, METADATA, PERMISSION_LOG
from munjigi.kernel.errors import FailedPrecondition

_PIECE: Final = 1000  # rows


def copy_rows(source: Connection, target: Connection) -> None:
    """Copy what `source` sees at its moment into a schema that has just been made.

    Raises `FailedPrecondition` when something is there already.
    """
    if target.execute(select(func.count()).select_from(PERMISSION_LOG)).scalar_one():
        raise FailedPrecondition(
            "STATE_NOT_EMPTY",
            "The database that MUNJIGI_STATE_URL names has a state already; name an empty one, or drop its schema munjigi.",
        )
    target.execute(delete(HEAD))
    for table in METADATA.sorted_tables:  # those that are referred to first
        rows = source.execution_options(yield_per=_PIECE).execute(select(table))
        for piece in rows.mappings().partitions(_PIECE):
            target.execute(insert(table), [dict(row) for row in piece])
