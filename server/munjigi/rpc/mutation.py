"""What mutations of grants and reviews share: whose word they are, what makes two of them the same, and how a refusal is recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Container
from typing import Final

from google.protobuf.message import Message

from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Book, Plan
from munjigi.grants.rights import OPERATOR, Concern
from munjigi.kernel.errors import AlreadyExists, PermissionDenied
from munjigi.rpc.call import Call
from munjigi.rpc.desk import Desk
from munjigi.rpc.ports import Changed, Registrar

SERVICE: Final = "munjigi.v1.GrantService"
RESOURCE: Final = "munjigi.grant"


async def commit(registrar: Registrar, call: Call, request: Message, plan: Callable[[Book], Plan]) -> Changed:
    """Commit a change under the request's idempotency key. Raises what the registrar raises."""
    return await registrar.change(call.caller.employee, _key(request), _body(call, request), plan)


async def once(registrar: Registrar, call: Call, request: Message, do: Callable[[], Awaitable[bytes]]) -> bytes:
    """Do what takes several commits, and return its answer; under a request's idempotency key, what it was answered the first time.

    Broken off, it is done again by who asks again, so each of its commits must find what is done already. Raises `AlreadyExists` for
    the same `request_id` with another body.
    """
    by, key, body = call.caller.employee, _key(request), _body(call, request)
    if key and (before := await registrar.look(lambda store: store.remembered(*by, key))) is not None:
        if before.digest != hashlib.sha256(body).hexdigest():
            raise AlreadyExists("REQUEST_ID_REUSED", "`request_id` was used for something else; use a new one.")
        return before.answer
    answer = await do()
    return (await registrar.change(by, key, body, lambda _: Plan((), answer))).answer if key else answer


def _key(request: Message) -> str:
    return str(getattr(request, "request_id", ""))


def _body(call: Call, request: Message) -> bytes:
    return call.door.encode() + b"\0" + request.SerializeToString(deterministic=True)


async def change(
    desk: Desk, registrar: Registrar, call: Call, request: Message, plan: Callable[[Book], Plan], resource: str = RESOURCE
) -> bytes:
    """Make a change that the caller asks for in their own name, and return the answer's bytes; a refusal is recorded.

    Raises what the registrar raises.
    """
    desk.about_oneself(call, resource)
    try:
        return (await commit(registrar, call, request, plan)).answer
    except PermissionDenied as error:
        raise desk.refused(call, resource, "operate", error) from None


def authorize(
    desk: Desk,
    snapshot: Snapshot,
    call: Call,
    grant_id: str,
    request_id: str,
    *,
    urgent: bool = False,
    freely: Container[Concern] = ("holder", "owner"),
) -> Concern:
    """Decide whether the caller may touch a grant, and return as whom: those of `freely` may, others as the core decides.

    Raises `PermissionDenied`.
    """
    concern = concern_of(snapshot, call, grant_id)
    if concern in freely:
        desk.about_oneself(call, RESOURCE, urgent=urgent)
        return concern
    desk.authorize(call, RESOURCE, "operate", request_id, urgent=urgent)
    return OPERATOR


def concern_of(snapshot: Snapshot, call: Call, grant_id: str) -> Concern:
    """Say what a grant is to the caller: their own, of a role that they own, or somebody else's."""
    grant = snapshot.grants.grant(grant_id)
    if grant is None:
        return OPERATOR
    holder, caller = snapshot.grants.person(grant.employee), snapshot.grants.person(call.caller.employee)
    if holder is not None and holder == caller:
        return "holder"
    role = snapshot.bundle.roles.get(grant.role)
    issuer, subject = call.caller.employee
    return "owner" if role is not None and subject in role.owners and issuer == grant.employee.issuer else OPERATOR
