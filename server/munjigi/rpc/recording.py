"""Make the record of a decision, with nothing in it that may not be written down (promise P5).

Members are keyed references by now. A name that the catalog does not know could be anything, a
telephone number for example, so the record keeps its keyed digest instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from munjigi.audit.records import AccessRecord, FieldRecord
from munjigi.decision.frames import Memory
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Request
from munjigi.kernel.references import NameDigests
from munjigi.rpc.call import Call

_copy: Final[Callable[[AccessRecord], AccessRecord]] = AccessRecord.__copy__  # type: ignore[attr-defined] # half of copy.copy()'s time


def access_record(
    request: Request,
    decision: Decision,
    snapshot: Snapshot,
    digests: NameDigests,
    *,
    observe: bool = False,
    own: bool = False,
) -> AccessRecord:
    """Describe one decision, all but the call that it answers: `of_call` adds that."""
    unknown = decision.unknown_fields
    employee = request.employee
    person = snapshot.grants.person(employee)
    classes: dict[str, None] = {}
    fields = []
    for name, effect, mask, reason, rule, grants, field_classes in decision.fields:
        fields.append(FieldRecord(digests.of(name) if name in unknown else name, effect.value, mask, reason, rule, grants))
        for each in field_classes:
            classes[each] = None
    return AccessRecord(
        issuer=employee.issuer,
        employee=employee.subject,
        principal_type=person.principal_type if person is not None else "",
        tool=request.tool,
        ip=request.ip,
        door="",
        action=request.action if decision.action_known else digests.of(request.action),
        resource=request.resource if decision.resource_known else digests.of(request.resource),
        purpose=request.purpose if decision.purpose_known else digests.of(request.purpose),
        decision="ALLOW" if decision.allow else "DENY",
        reason=decision.reason,
        fields=tuple(fields),
        data_classes=tuple(classes),
        rule=decision.rule,
        role_path=decision.role_path,
        subject_count=request.subjects,
        probe=request.probe,
        observe=observe,
        partial=request.allow_partial,
        own=own,
        policy_revision=decision.policy_revision,
        grant_revision=decision.grant_revision,
        **_signed_in(snapshot, request),
    )


def _signed_in(snapshot: Snapshot, request: Request) -> dict[str, Any]:
    """Return what the decision may depend on of the sign-in: nothing where the policy asks for none."""
    sign_in = request.sign_in
    if sign_in is None or not Memory.of(snapshot.bundle).asks_sign_in:
        return {}
    acr, authenticated_at, issued_at, pause = sign_in
    return {"acr": acr, "authenticated_at": authenticated_at, "token_issued_at": issued_at, "session_pause_ns": pause}


def of_call(
    described: AccessRecord,
    call: Call,
    *,
    case_id: str = "",
    members: tuple[str, ...] = (),
    request_id: str = "",
    session_id: str = "",
    ip_asserted: bool = False,
    valid_until: int = 0,
    latency_ns: int = 0,
) -> AccessRecord:
    """Return the record of one call that `described` decides. `latency_ns` is the time from the question to its verdict.

    `case_id` must be safe to be written down.
    """
    record = _copy(described)
    record.peer = call.caller.peer
    record.trace_id = call.trace_id
    record.span_id = call.span_id
    record.door = call.door
    record.asked_at = call.received
    record.case_id = case_id
    record.members = members
    record.request_id = request_id
    record.session_id = session_id
    record.ip_asserted = ip_asserted
    record.valid_until = valid_until
    record.latency_ns = latency_ns
    return record
