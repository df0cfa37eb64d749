"""Read and write requests, blocks and remembered mutations as rows, inside a transaction of the caller."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from munjigi.adapters.state.codec import decode_request, encode_request
from munjigi.adapters.state.tables import ACCESS_REQUEST, BLOCK, MUTATION
from munjigi.grants.changes import BlockEdit, Once, RequestEdit, check_block_edit, check_request_edit
from munjigi.grants.ports import RequestFilter
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Block

KEPT: Final = 7 * 86_400 * SECOND  # how long a mutation's answer is remembered, nanoseconds
_CONTENT: Final = select(ACCESS_REQUEST.c.content)


def read_request(connection: Connection, access_request_id: str) -> AccessRequest | None:
    """Return the request of this id."""
    found = connection.execute(_CONTENT.where(ACCESS_REQUEST.c.access_request_id == access_request_id)).scalar_one_or_none()
    return None if found is None else decode_request(found)


def read_requests(connection: Connection, asked: RequestFilter | None = None) -> list[AccessRequest]:
    """Return the requests of a filter, newest first; all, by id, without one."""
    columns = ACCESS_REQUEST.c
    if asked is None:
        return [decode_request(each) for each in connection.execute(_CONTENT.order_by(columns.access_request_id)).scalars()]
    rows = _CONTENT.order_by(columns.made_at.desc(), columns.access_request_id.desc()).limit(asked.limit)
    if asked.state:
        rows = rows.where(columns.state == asked.state)
    if asked.employee is not None:
        rows = rows.where(columns.issuer == asked.employee.issuer, columns.subject == asked.employee.subject)
    if asked.before is not None:
        made_at, access_request_id = asked.before
        same = (columns.made_at == made_at) & (columns.access_request_id < access_request_id)
        rows = rows.where((columns.made_at < made_at) | same)
    return [decode_request(each) for each in connection.execute(rows).scalars()]


def write_request(connection: Connection, edit: RequestEdit) -> None:
    """Insert or update one request after asking the rules. Raises what `check_request_edit` raises."""
    request = edit.request
    check_request_edit(edit, read_request(connection, request.access_request_id))
    values = {"state": request.state, "content": encode_request(request)}
    if edit.kind == "request_made":
        values |= {"access_request_id": request.access_request_id, "issuer": request.employee.issuer}
        connection.execute(insert(ACCESS_REQUEST).values(subject=request.employee.subject, made_at=request.made_at, **values))
    else:
        mine = ACCESS_REQUEST.c.access_request_id == request.access_request_id
        connection.execute(update(ACCESS_REQUEST).where(mine).values(values))


def read_blocks(connection: Connection) -> list[Block]:
    """Return who is blocked, in order."""
    return [Block(*row) for row in connection.execute(select(BLOCK).order_by(BLOCK.c.kind, BLOCK.c.principal))]


def write_block(connection: Connection, edit: BlockEdit) -> None:
    """Block or unblock after asking the rules. Raises what `check_block_edit` raises."""
    mine = (BLOCK.c.kind == edit.block.kind) & (BLOCK.c.principal == edit.block.principal)
    check_block_edit(edit, blocked=connection.execute(select(BLOCK).where(mine)).first() is not None)
    connection.execute(
        insert(BLOCK).values(edit.block._asdict()) if edit.kind == "principal_blocked" else delete(BLOCK).where(mine)
    )


def remember(connection: Connection, once: Once, *, issuer: str, actor: str, request_id: str, at: int) -> None:
    """Keep what a mutation answered, and forget those of more than a week ago."""
    connection.execute(delete(MUTATION).where(MUTATION.c.at < at - KEPT))
    key = {"issuer": issuer, "actor": actor, "request_id": request_id}
    connection.execute(insert(MUTATION).values(**key, digest=once.digest, answer=once.answer, at=at))


def remembered(connection: Connection, issuer: str, actor: str, request_id: str) -> Once | None:
    """Return what this mutation answered, when it was asked within the last week."""
    columns = MUTATION.c
    mine = (columns.issuer == issuer, columns.actor == actor, columns.request_id == request_id)
    found = connection.execute(select(columns.digest, columns.answer).where(*mine)).first()
    return None if found is None else Once(found.digest, found.answer)
