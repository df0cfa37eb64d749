"""Make the record of a decision, with nothing in it that may not be written down (promise P5).

Members are keyed references by now. A name that the catalog does not know could be anything, a
telephone number for example, so the record keeps its keyed digest instead.
"""

from __future__ import annotations

from copy import copy

from munjigi.audit.records import AccessRecord, FieldRecord
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Request
from munjigi.kernel.references import NameDigests
from munjigi.rpc.call import Call


def access_record(
    call: Call,
    request: Request,
    decision: Decision,
    snapshot: Snapshot,
    digests: NameDigests,
    *,
    members: tuple[str, ...] = (),
    request_id: str = "",
    session_id: str = "",
    ip_asserted: bool = False,
    observe: bool = False,
    own: bool = False,
    valid_until: int = 0,
    latency_ns: int = 0,
) -> AccessRecord:
    """Describe one decision. `latency_ns` is the time from the call's arrival to its verdict."""
    unknown = decision.unknown_fields
    caller = call.caller
    person = snapshot.grants.person(caller.employee)
    classes: dict[str, None] = {}
    fields = []
    for name, effect, mask, reason, rule, grants, field_classes in decision.fields:
        fields.append(FieldRecord(digests.of(name) if name in unknown else name, effect.value, mask, reason, rule, grants))
        for each in field_classes:
            classes[each] = None
    return AccessRecord(
        issuer=caller.employee.issuer,
        employee=caller.employee.subject,
        principal_type=person.principal_type if person is not None else "",
        tool=caller.tool,
        peer=caller.peer,
        ip=request.ip,
        ip_asserted=ip_asserted,
        session_id=session_id,
        request_id=request_id,
        trace_id=call.trace_id,
        span_id=call.span_id,
        door=call.door,
        action=request.action if decision.action_known else digests.of(request.action),
        resource=request.resource if decision.resource_known else digests.of(request.resource),
        purpose=request.purpose if decision.purpose_known else digests.of(request.purpose),
        case_id=request.case_id if decision.purpose_known or not request.case_id else digests.of(request.case_id),
        decision="ALLOW" if decision.allow else "DENY",
        reason=decision.reason,
        fields=tuple(fields),
        data_classes=tuple(classes),
        rule=decision.rule,
        role_path=decision.role_path,
        members=members,
        subject_count=request.subjects,
        probe=request.probe,
        observe=observe,
        partial=request.allow_partial,
        own=own,
        policy_revision=decision.policy_revision,
        grant_revision=decision.grant_revision,
        valid_until=valid_until,
        latency_ns=latency_ns,
        asked_at=call.received,
    )


def about_others(
    record: AccessRecord, members: tuple[str, ...], request_id: str, session_id: str, latency_ns: int, *, ip_asserted: bool
) -> AccessRecord:
    """Describe the same decision for an equal question of the same call about other members."""
    other = copy(record)
    other.clock_stepped = False
    other.members = members
    other.request_id = request_id
    other.session_id = session_id
    other.ip_asserted = ip_asserted
    other.latency_ns = latency_ns
    return other
