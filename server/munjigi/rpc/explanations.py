"""DecisionService: Explain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from munjigi.decision.explain import Explanation, FieldExplanation, explain
from munjigi.decision.recorded import ABOUT_ONESELF, asked_at, differences, request_of
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Effect, Request
from munjigi.kernel.errors import Corruption, NotFound
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.ids import parse_record_id
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.past import Past
from munjigi.rpc.ports import SnapshotSource
from munjigi.rpc.whom import WhomToAsk
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import explain_pb2

_SERVICE: Final = "munjigi.v1.DecisionService"
_LOGGER: Final = logging.getLogger("munjigi.rpc")
_EFFECTS: Final = {
    Effect.CLEAR: pb.FIELD_EFFECT_CLEAR,
    Effect.MASKED: pb.FIELD_EFFECT_MASKED,
    Effect.DENIED: pb.FIELD_EFFECT_DENIED,
}


class ExplanationService:
    """Say why. Asking about others is itself a decided and recorded access, to the trail or to grants."""

    def __init__(self, desk: Desk, snapshots: SnapshotSource, past: Past, take: Callable[[Call, int], None]) -> None:
        self._desk = desk
        self._snapshots = snapshots
        self._past = past
        self._take = take

    def methods(self) -> list[Method]:
        """List the methods."""
        return [Method(_SERVICE, "Explain", explain_pb2.ExplainRequest, self.explain)]

    async def explain(self, call: Call, request: explain_pb2.ExplainRequest) -> explain_pb2.ExplainResponse:
        """Explain a past decision or a new question."""
        self._take(call, 1)
        if request.WhichOneof("about") == "decision_id":
            return await self._past_decision(call, request.decision_id)
        return await self._new_question(call, request.new_question)

    async def _new_question(self, call: Call, new: explain_pb2.NewQuestion) -> explain_pb2.ExplainResponse:
        caller = call.caller
        employee = EmployeeKey(new.issuer or caller.employee.issuer, new.employee or caller.employee.subject)
        tool = new.tool or caller.tool
        decision_id = ""
        if (employee, tool) == (caller.employee, caller.tool):
            snapshot, request, decision_id = self._desk.probe(call, new.question)
        else:
            # What another could do is not in the trail: it tells what they hold.
            self._desk.authorize(call, "munjigi.grant", "read", new.question.request_id)
            snapshot, request = self._desk.question_of(call, new.question, employee, tool)
        return await self._answer(snapshot, request, call.received, decision_id)

    async def _past_decision(self, call: Call, decision_id: str) -> explain_pb2.ExplainResponse:
        record, removed = None, None
        try:
            record = await self._past.record(*parse_record_id(decision_id))
        except NotFound as error:  # removed at the end of its retention: who may not read the trail learns nothing of that
            removed = error
        if record is not None and (record.issuer, record.employee) == call.caller.employee:
            self._desk.about_oneself(call, "munjigi.audit")
        else:
            self._desk.authorize(call, "munjigi.audit", "read")
            # An explanation goes through all that the employee held, which is not in the trail.
            self._desk.authorize(call, "munjigi.grant", "read")
        if record is None:
            raise removed or NotFound(
                "DECISION_NOT_FOUND", "No decision of this id is in the trail here; copy it from an answer or a record."
            )
        snapshot = await self._past.decided_by(record)
        request, at = request_of(record), asked_at(record)
        if record.reason == ABOUT_ONESELF:
            return self._about_oneself(request, at, decision_id, record.policy_revision, record.grant_revision)
        explanation = await asyncio.to_thread(explain, snapshot, request, at)
        parts = differences(record, explanation.decision)
        if parts:
            _LOGGER.error("a decision decided again differs from its record", extra={"decision_id": decision_id, "parts": parts})
            raise Corruption(
                "EXPLANATION_DIFFERS",
                f"Decided again by the policy and the grants of its time, this decision differs in {', '.join(parts)}: its record, "
                "the kept policy or the revision log is not what it was. Run `munjigi audit verify` and tell the security team.",
            )
        return await self._message(explanation, decision_id, call.received)

    async def _answer(self, snapshot: Snapshot, request: Request, at: int, decision_id: str) -> explain_pb2.ExplainResponse:
        return await self._message(await asyncio.to_thread(explain, snapshot, request, at), decision_id, at)

    def _about_oneself(
        self, request: Request, at: int, decision_id: str, policy_revision: str, grant_revision: int
    ) -> explain_pb2.ExplainResponse:
        """Explain an ALLOW that needs no rule: anyone may ask what concerns only themselves."""
        response = _head(request, at, decision_id)
        response.decision = pb.DECISION_ALLOW
        response.reason = ABOUT_ONESELF
        response.policy_revision = policy_revision
        response.grant_revision = grant_revision
        return response

    async def _message(self, explanation: Explanation, decision_id: str, now: int) -> explain_pb2.ExplainResponse:
        decision = explanation.decision
        response = _head(explanation.request, explanation.at, decision_id)
        response.decision = pb.DECISION_ALLOW if decision.allow else pb.DECISION_DENY
        response.reason = decision.reason
        response.role_path.extend(decision.role_path)
        whom = WhomToAsk(self._snapshots.snapshot, explanation.request.employee, now)  # today, also of a decision of the past
        response.help = whom.told(decision.help)
        response.command = explanation.command
        response.policy_revision = decision.policy_revision
        response.policy_source = await self._past.source_of(decision.policy_revision)
        response.grant_revision = decision.grant_revision
        for field in explanation.fields:
            _add_field(response.fields.add(), field, whom)
        for grant, standing, lacking in explanation.grants:
            response.grants.add(
                grant_id=grant.grant_id,
                role=grant.role,
                purpose=grant.purpose,
                standing=standing,
                lacking=lacking,
                starts_at=grant.starts_at,
                ends_at=grant.ends_at,
            )
        return response


def _head(request: Request, at: int, decision_id: str) -> explain_pb2.ExplainResponse:
    return explain_pb2.ExplainResponse(
        decision_id=decision_id,
        employee=request.employee.subject,
        issuer=request.employee.issuer,
        tool=request.tool,
        resource=request.resource,
        action=request.action,
        purpose=request.purpose,
        case_id=request.case_id,
        asked_at=at,
    )


def _add_field(into: explain_pb2.FieldExplanation, field: FieldExplanation, whom: WhomToAsk) -> None:
    name, effect, mask, reason, rule, grants, _ = field.field
    into.field.MergeFrom(
        pb.FieldDecision(name=name, effect=_EFFECTS[effect], mask=mask, reason=reason, rule=rule, grant_ids=grants)
    )
    into.target = field.target
    into.combination = field.combination
    into.summary = field.summary
    for each in field.rules:
        into.rules.add(
            rule=each.rule.ref,
            allow=each.rule.allow,
            mask="" if each.rule.mask == "clear" else each.rule.mask,
            condition="" if each.rule.condition is None else each.rule.cond,
            role_path=each.role_path,
            resource_path=each.resource_path,
            standing=each.standing,
        )
    for miss in field.nearest:
        into.nearest.add(
            role=miss.role,
            purpose=miss.purpose,
            owners=whom.subjects(miss.role, miss.owners),
            requires=miss.requires,
            lacking=miss.lacking,
            reason=miss.reason,
            grant_id=miss.grant_id,
        )
