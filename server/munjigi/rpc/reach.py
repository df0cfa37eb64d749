"""DecisionService: WhoCan, WhatCan. Who reaches what, now or at a past time."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Effect
from munjigi.decision.whatcan import what_can
from munjigi.decision.whocan import Holder, Question, who_can
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.pages import DEFAULT_PAGE, page_of
from munjigi.rpc.past import Past
from munjigi.rpc.ports import SnapshotSource
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import reach_pb2

_SERVICE: Final = "munjigi.v1.DecisionService"
_EFFECTS: Final = {
    Effect.CLEAR: pb.FIELD_EFFECT_CLEAR,
    Effect.MASKED: pb.FIELD_EFFECT_MASKED,
    Effect.DENIED: pb.FIELD_EFFECT_DENIED,
}


class ReachService:
    """Turn decisions round, for one employee or for all."""

    def __init__(self, desk: Desk, snapshots: SnapshotSource, past: Past) -> None:
        self._desk = desk
        self._snapshots = snapshots
        self._past = past
        self._looking = asyncio.Semaphore(1)  # a page may look at thousands of accounts; one at a time leaves threads free

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(_SERVICE, "WhoCan", reach_pb2.WhoCanRequest, self.who_can),
            Method(_SERVICE, "WhatCan", reach_pb2.WhatCanRequest, self.what_can),
        ]

    async def who_can(self, call: Call, request: reach_pb2.WhoCanRequest) -> reach_pb2.WhoCanResponse:
        """List the employees who would get an ALLOW."""
        self._desk.authorize(call, "munjigi.grant", "read")
        after = _place(request)
        snapshot, at = await self._snapshot(call, request.at)
        fields, action = tuple(request.fields), request.action or "read"
        tool = request.tool or call.caller.tool
        question = Question(tool, request.resource, fields, action, request.purpose, request.allow_partial)
        async with self._looking:
            found = await asyncio.to_thread(who_can, snapshot, question, at, after, request.page_size or DEFAULT_PAGE)
        return reach_pb2.WhoCanResponse(
            holders=[_holder(each) for each in found.holders],
            next_page_token=_token(request, found.last) if found.last is not None else "",
            reason=found.reason,
            help=found.help,
            policy_revision=snapshot.bundle.revision,
            grant_revision=snapshot.grants.revision,
            at=at,
        )

    async def what_can(self, call: Call, request: reach_pb2.WhatCanRequest) -> reach_pb2.WhatCanResponse:
        """List what an employee may do: oneself freely, others as the core decides."""
        caller = call.caller
        employee = EmployeeKey(request.issuer or caller.employee.issuer, request.employee or caller.employee.subject)
        tool = request.tool or caller.tool
        if (employee, tool) == (caller.employee, caller.tool):
            self._desk.about_oneself(call, "munjigi.grant")
        else:
            self._desk.authorize(call, "munjigi.grant", "read")
        snapshot, at = await self._snapshot(call, request.at)
        person = snapshot.grants.person(employee)
        permissions = what_can(snapshot, employee, tool, at, request.purpose)
        page, token = page_of(permissions, request.page_size, request.page_token)
        return reach_pb2.WhatCanResponse(
            employee=employee.subject,
            issuer=employee.issuer,
            tool=tool,
            principal_type=person.principal_type if person is not None else "",
            department=person.department if person is not None else "",
            permissions=[
                reach_pb2.Permission(
                    object=each.object,
                    action=each.action,
                    purpose=each.purpose,
                    effect=_EFFECTS[each.effect],
                    mask=each.mask,
                    rule=each.rule,
                    grant_ids=each.grants,
                    conditional=each.conditional,
                )
                for each in page
            ],
            next_page_token=token,
            policy_revision=snapshot.bundle.revision,
            grant_revision=snapshot.grants.revision,
        )

    async def _snapshot(self, call: Call, at: int) -> tuple[Snapshot, int]:
        if not at:
            return self._snapshots.snapshot, call.received
        return await self._past.at(at, call.received), at


def _holder(found: Holder) -> reach_pb2.Holder:
    person = found.person
    message = reach_pb2.Holder(
        employee=found.employee.subject,
        issuer=found.employee.issuer,
        principal_type=person.principal_type if person is not None else "",
        department=person.department if person is not None else "",
        role_path=found.decision.role_path,
        conditional=found.conditional,
    )
    for name, effect, mask, reason, rule, grants, _ in found.decision.fields:
        message.fields.add(name=name, effect=_EFFECTS[effect], mask=mask, reason=reason, rule=rule, grant_ids=grants)
    return message


def _digest(request: reach_pb2.WhoCanRequest) -> str:
    """Return what tells one question from another, whatever page of it is asked for."""
    asked = reach_pb2.WhoCanRequest()
    asked.CopyFrom(request)
    asked.ClearField("page_token")
    asked.ClearField("page_size")
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).hexdigest()[:16]


def _token(request: reach_pb2.WhoCanRequest, last: EmployeeKey) -> str:
    return urlsafe_b64encode(msgspec.json.encode((_digest(request), *last))).decode()


def _place(request: reach_pb2.WhoCanRequest) -> EmployeeKey | None:
    """Return whom the page before ended with; None for the first page. Raises `InvalidArgument`."""
    if not request.page_token:
        return None
    try:
        digest, issuer, subject = msgspec.json.decode(urlsafe_b64decode(request.page_token), type=tuple[str, str, str])
    except (ValueError, msgspec.MsgspecError):
        digest = issuer = subject = ""
    if digest != _digest(request):
        raise InvalidArgument("PAGE_TOKEN_INVALID", "`page_token` is not from the page before; repeat the question without it.")
    return EmployeeKey(issuer, subject)
