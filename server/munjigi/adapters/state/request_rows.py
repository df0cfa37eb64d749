"""Read and write requests, blocks and remembered mutations as rows, inside a transaction of the caller."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, and_, bindparam, delete, false, insert, or_, select, update

from munjigi.adapters.state.codec import decode_request, encode_request
from munjigi.adapters.state.tables import ACCESS_REQUEST, BLOCK, MUTATION
from munjigi.grants.changes import BlockEdit, Once, RequestEdit, check_block_edit, check_request_edit
from munjigi.grants.ports import RequestFilter
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Block

KEPT: Final = 7 * 86_400 * SECOND  # how long a mutation's answer is remembered, nanoseconds
_CONTENT: Final = select(ACCESS_REQUEST.c.content)
# Built once: each request and each change goes through these.
_MINE: Final = ACCESS_REQUEST.c.access_request_id == bindparam("mine")
_ONE: Final = _CONTENT.where(_MINE)
_NEWEST: Final = (ACCESS_REQUEST.c.made_at.desc(), ACCESS_REQUEST.c.access_request_id.desc())
_OF_ONE: Final = (
    _CONTENT.where(
        ACCESS_REQUEST.c.state == bindparam("state"),
        ACCESS_REQUEST.c.issuer == bindparam("issuer"),
        ACCESS_REQUEST.c.subject == bindparam("subject"),
    )
    .order_by(*_NEWEST)
    .limit(bindparam("most"))
)
_MAKE: Final = insert(ACCESS_REQUEST)
_CHANGE: Final = update(ACCESS_REQUEST).where(_MINE)
_FORGET: Final = delete(MUTATION).where(MUTATION.c.at < bindparam("before"))
_REMEMBER: Final = insert(MUTATION)
_REMEMBERED: Final = select(MUTATION.c.digest, MUTATION.c.answer).where(
    MUTATION.c.issuer == bindparam("of"), MUTATION.c.actor == bindparam("who"), MUTATION.c.request_id == bindparam("under")
)


def read_request(connection: Connection, access_request_id: str) -> AccessRequest | None:
    """Return the request of this id."""
    found = connection.execute(_ONE, {"mine": access_request_id}).scalar_one_or_none()
    return None if found is None else decode_request(found)


def read_requests(connection: Connection, asked: RequestFilter | None = None) -> list[AccessRequest]:
    """Return the requests of a filter, newest first; all, by id, without one."""
    columns = ACCESS_REQUEST.c
    if asked is None:
        return [decode_request(each) for each in connection.execute(_CONTENT.order_by(columns.access_request_id)).scalars()]
    if asked.state and asked.accounts is not None and len(asked.accounts) == 1 and asked.before is None:
        named = {"state": asked.state, **next(iter(asked.accounts))._asdict(), "most": asked.limit}
        return [decode_request(each) for each in connection.execute(_OF_ONE, named).scalars()]
    rows = _CONTENT.order_by(*_NEWEST).limit(asked.limit)
    if asked.state:
        rows = rows.where(columns.state == asked.state)
    if asked.accounts is not None:
        mine = (and_(columns.issuer == each.issuer, columns.subject == each.subject) for each in asked.accounts)
        rows = rows.where(or_(false(), *mine))
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
        made = {"access_request_id": request.access_request_id, "made_at": request.made_at, **request.employee._asdict()}
        connection.execute(_MAKE, values | made)
    else:
        connection.execute(_CHANGE, values | {"mine": request.access_request_id})


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
    """Keep what a mutation answered."""
    key = {"issuer": issuer, "actor": actor, "request_id": request_id}
    connection.execute(_REMEMBER, {**key, "digest": once.digest, "answer": once.answer, "at": at})


def forget(connection: Connection, at: int) -> None:
    """Forget what mutations answered more than a week before `at`."""
    connection.execute(_FORGET, {"before": at - KEPT})


def remembered(connection: Connection, issuer: str, actor: str, request_id: str) -> Once | None:
    """Return what this mutation answered, when it was asked within the last week."""
    found = connection.execute(_REMEMBERED, {"of": issuer, "who": actor, "under": request_id}).first()
    return None if found is None else Once(found.digest, found.answer)
