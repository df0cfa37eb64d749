"""What mutations of GrantService share: whose word they are, what makes two of them the same, and how a refusal is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from google.protobuf.message import Message

from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Book, Plan
from munjigi.kernel.errors import PermissionDenied
from munjigi.rpc.call import Call
from munjigi.rpc.desk import Desk
from munjigi.rpc.ports import Changed, Registrar

SERVICE: Final = "munjigi.v1.GrantService"
RESOURCE: Final = "munjigi.grant"


async def commit(registrar: Registrar, call: Call, request: Message, plan: Callable[[Book], Plan]) -> Changed:
    """Commit a change under the request's idempotency key. Raises what the registrar raises."""
    body = call.door.encode() + b"\0" + request.SerializeToString(deterministic=True)
    return await registrar.change(call.caller.employee, str(getattr(request, "request_id", "")), body, plan)


async def change(desk: Desk, registrar: Registrar, call: Call, request: Message, plan: Callable[[Book], Plan]) -> bytes:
    """Make a change that the caller asks for in their own name, and return the answer's bytes; a refusal is recorded.

    Raises what the registrar raises.
    """
    desk.about_oneself(call, RESOURCE)
    try:
        return (await commit(registrar, call, request, plan)).answer
    except PermissionDenied as error:
        raise desk.refused(call, RESOURCE, "operate", error) from None


def authorize(desk: Desk, snapshot: Snapshot, call: Call, grant_id: str, request_id: str, *, urgent: bool = False) -> None:
    """Decide whether the caller may take of a grant: its holder and the role's owners may, others as the core decides.

    Raises `PermissionDenied`.
    """
    if _concerns(snapshot, call, grant_id):
        desk.about_oneself(call, RESOURCE, urgent=urgent)
    else:
        desk.authorize(call, RESOURCE, "operate", request_id, urgent=urgent)


def _concerns(snapshot: Snapshot, call: Call, grant_id: str) -> bool:
    """Tell whether the caller holds this grant, or owns its role."""
    grant = snapshot.grants.grant(grant_id)
    if grant is None:
        return False
    holder, caller = snapshot.grants.person(grant.employee), snapshot.grants.person(call.caller.employee)
    if holder is not None and holder == caller:
        return True
    role = snapshot.bundle.roles.get(grant.role)
    issuer, subject = call.caller.employee
    return role is not None and subject in role.owners and issuer == grant.employee.issuer
