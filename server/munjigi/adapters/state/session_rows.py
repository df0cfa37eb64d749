"""Read and write ends of sessions as rows, inside a transaction of the caller."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from munjigi.adapters.state.tables import SESSION_END
from munjigi.grants.changes import SessionEdit, check_session_edit
from munjigi.kernel.identity import SessionEnd


def read_session_ends(connection: Connection) -> list[SessionEnd]:
    """Return the ends that are remembered, in order."""
    columns = SESSION_END.c
    rows = connection.execute(select(SESSION_END).order_by(columns.issuer, columns.subject, columns.session))
    return [SessionEnd(*row) for row in rows]


def write_session_end(connection: Connection, edit: SessionEdit) -> None:
    """Remember an end, the later of two, and forget those that have run out. Raises what `check_session_edit` raises."""
    check_session_edit(edit)
    end, columns = edit.end, SESSION_END.c
    connection.execute(delete(SESSION_END).where(columns.until <= end.ended_at))
    mine = (columns.issuer == end.issuer) & (columns.subject == end.subject) & (columns.session == end.session)
    connection.execute(delete(SESSION_END).where(mine, columns.ended_at < end.ended_at))
    if connection.execute(select(columns.until).where(mine)).first() is None:
        connection.execute(insert(SESSION_END).values(end._asdict()))
