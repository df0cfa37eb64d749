"""The one way from a question to a recorded verdict. Check, BatchCheck and every guarded RPC call it (P4).

`Desk.check` answers a question about member data, `Desk.authorize` one about Munjigi itself. Both take the
current snapshot once, decide, and append the record; the fronts answer after it is durable (P1).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from munjigi.audit.journal import Journal
from munjigi.audit.records import AccessRecord
from munjigi.decision.core import decide
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Effect, Request
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import InvalidArgument, PermissionDenied
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.ids import record_id
from munjigi.kernel.personal import looks_personal
from munjigi.kernel.references import MemberReferences, NameDigests
from munjigi.policy.types import CLASS_PREFIX, OWN_DATABASE
from munjigi.rpc.addresses import plain
from munjigi.rpc.call import Call
from munjigi.rpc.pending import VALIDITY, PendingReads
from munjigi.rpc.ports import DecisionMeter, SnapshotSource
from munjigi.rpc.recording import about_others, access_record
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

OVERSIGHT: Final = "oversight"  # the purpose of operating and overseeing Munjigi itself
_MAYBE_PERSONAL: Final = re.compile(r"@|(?:\d[-_.]?){9}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z|[0-9a-f]{32}\Z")
_EFFECTS: Final = {
    Effect.CLEAR: pb.FIELD_EFFECT_CLEAR,
    Effect.MASKED: pb.FIELD_EFFECT_MASKED,
    Effect.DENIED: pb.FIELD_EFFECT_DENIED,
}


class _Ruling(NamedTuple):
    """The last question, its record and its answer."""

    call: Call
    snapshot: Snapshot
    request: Request
    decision: Decision
    record: AccessRecord
    answer: pb.CheckResponse


class Desk:
    """Decide and record. Lives on the event loop."""

    def __init__(
        self,
        snapshots: SnapshotSource,
        journal: Journal,
        references: MemberReferences,
        digests: NameDigests,
        clock: Clock,
        pending: PendingReads,
        meter: DecisionMeter,
    ) -> None:
        self._snapshots = snapshots
        self._journal = journal
        self._references = references
        self._digests = digests
        self._clock = clock
        self._pending = pending
        self._meter = meter
        self._last: _Ruling | None = None

    def check(self, call: Call, asked: pb.CheckRequest, into: pb.CheckResponse | None = None) -> pb.CheckResponse:
        """Answer one question about member data, in the message `into` if one is given.

        The items of one call often ask the same about other members. Then the same arguments would give the
        same decision, so it is taken over, and only what differs is put into the record and the answer.

        Raises `InvalidArgument` for malformed values (nothing is decided) and `AuditUnavailable` when the
        record cannot be taken.
        """
        began = time.perf_counter_ns()
        snapshot = self._snapshots.snapshot
        ip, asserted = self._origin(call, asked, snapshot)
        _refuse_personal("request_id", asked.request_id)
        resource, purpose, case_id = asked.resource, asked.purpose, asked.case_id
        if case_id:
            _check_case(snapshot, purpose, case_id)
        member_ids = asked.member_ids
        members = self._members(snapshot, resource, member_ids) if member_ids else ()
        request = Request(
            call.caller.employee,
            call.caller.tool,
            resource,
            tuple(asked.fields),
            asked.action or "read",
            purpose,
            case_id,
            len(members) or len(member_ids) or asked.subject_count,
            ip,
            asked.intent == pb.INTENT_PROBE,
            asked.allow_partial,
        )
        observe = asked.observe
        session_id = asked.origin.session_id if asserted else ""
        answer = pb.CheckResponse() if into is None else into
        last = self._last
        if (
            last is not None
            and last.call is call
            and last.snapshot is snapshot
            and last.request == request
            and last.record.observe is observe
        ):
            decision = last.decision
            valid_until = last.record.valid_until
            latency = time.perf_counter_ns() - began
            record = about_others(last.record, members, asked.request_id, session_id, latency, ip_asserted=asserted)
            answer.CopyFrom(last.answer)
        else:
            decision = decide(snapshot, request, call.received)
            valid_until = call.received + VALIDITY if decision.allow and not request.probe else 0
            record = access_record(
                call,
                request,
                decision,
                snapshot,
                self._digests,
                members=members,
                request_id=asked.request_id,
                session_id=session_id,
                ip_asserted=asserted,
                observe=observe,
                own=resource.startswith(OWN_DATABASE + ".") and decision.resource_known,
                valid_until=valid_until,
                latency_ns=time.perf_counter_ns() - began,
            )
            self._answer(answer, snapshot, request, decision, valid_until, observe)
            self._last = _Ruling(call, snapshot, request, decision, record, answer)
        index = self._journal.append(record)
        log_id = self._journal.log_id
        answer.decision_id = record_id(log_id, index)
        position = answer.record
        position.log_id = log_id
        position.index = index
        if valid_until and not observe:
            self._pending.add(index, call.caller, valid_until, resource)
        self._meter.decision(call.door, call.caller.tool, decision)
        return answer

    def probe(self, call: Call, asked: pb.CheckRequest) -> tuple[Snapshot, Request, str]:
        """Decide and record a question as a probe; return the snapshot that answered, the question and the decision id."""
        asked.intent = pb.INTENT_PROBE
        answer = self.check(call, asked)
        assert self._last is not None
        return self._last.snapshot, self._last.request, answer.decision_id

    def question_of(self, call: Call, asked: pb.CheckRequest, employee: EmployeeKey, tool: str) -> tuple[Snapshot, Request]:
        """Put a question as somebody else would, as a probe; nothing is decided or recorded.

        Raises `InvalidArgument` for malformed values.
        """
        snapshot = self._snapshots.snapshot
        ip, _ = self._origin(call, asked, snapshot)
        if asked.case_id:
            _check_case(snapshot, asked.purpose, asked.case_id)
        subjects = len(asked.member_ids) or asked.subject_count
        action, fields = asked.action or "read", tuple(asked.fields)
        question = Request(employee, tool, asked.resource, fields, action, asked.purpose, asked.case_id, subjects, ip, True)
        return snapshot, question._replace(allow_partial=asked.allow_partial)

    def authorize(self, call: Call, resource: str, action: str, request_id: str = "") -> str:
        """Decide an operation on Munjigi itself and return its decision id.

        Raises `PermissionDenied` when the verdict is DENY; the denial is recorded.
        """
        _refuse_personal("request_id", request_id)
        snapshot = self._snapshots.snapshot
        request = Request(call.caller.employee, call.caller.tool, resource, (), action, OVERSIGHT, ip=call.caller.peer)
        return self._conclude(call, request, decide(snapshot, request, call.received), snapshot, request_id)

    def about_oneself(self, call: Call, resource: str) -> str:
        """Record that someone asks what concerns only themselves, which anyone may; return the decision id."""
        snapshot = self._snapshots.snapshot
        request = Request(call.caller.employee, call.caller.tool, resource, (), "read", OVERSIGHT, ip=call.caller.peer)
        decision = decide(snapshot, request, call.received)._replace(
            allow=True, reason="ABOUT_ONESELF", fields=(), rule="", role_path=(), help=""
        )
        return self._conclude(call, request, decision, snapshot, "")

    def _conclude(self, call: Call, request: Request, decision: Decision, snapshot: Snapshot, request_id: str) -> str:
        index = self._journal.append(
            access_record(call, request, decision, snapshot, self._digests, request_id=request_id, own=True)
        )
        self._meter.decision(call.door, call.caller.tool, decision)
        decision_id = record_id(self._journal.log_id, index)
        if not decision.allow:
            message = (
                f"{call.door} needs `{request.action}` on `{request.resource}` ({decision.reason}). {decision.help}".rstrip()
            )
            raise PermissionDenied(decision.reason, message, decision_id)
        return decision_id

    def _origin(self, call: Call, asked: pb.CheckRequest, snapshot: Snapshot) -> tuple[str, bool]:
        """Return the employee's address and whether it is the tool's word."""
        if not asked.HasField("origin"):
            return call.caller.peer, False
        tool = snapshot.bundle.tools.get(call.caller.tool)
        if tool is None or not tool.asserts_origin or not asked.origin.ip:
            return call.caller.peer, False
        _refuse_personal("origin.session_id", asked.origin.session_id)
        return _address(asked.origin.ip), True

    def _members(self, snapshot: Snapshot, resource: str, member_ids: Sequence[str]) -> tuple[str, ...]:
        """Turn serials into references. An unknown table has no key, so there is nothing to refer to.

        Raises `InvalidArgument` for a class: it has no key either, and an ALLOW must name its members.
        """
        if resource.startswith(CLASS_PREFIX):
            raise InvalidArgument("MEMBER_IDS_NEED_TABLE", "A class has no member key; ask for a table, or give `subject_count`.")
        table = snapshot.bundle.catalog.tables.get(resource)
        return () if table is None else self._references.of(table.subjects_of, member_ids, table.key_type)

    def _answer(
        self,
        answer: pb.CheckResponse,
        snapshot: Snapshot,
        request: Request,
        decision: Decision,
        valid_until: int,
        observe: bool,
    ) -> None:
        """Put a decision into an empty answer, all but where its record lies."""
        answer.decision = pb.DECISION_ALLOW if decision.allow else pb.DECISION_DENY
        answer.reason = decision.reason
        answer.policy_revision = decision.policy_revision
        answer.grant_revision = decision.grant_revision
        answer.valid_until = valid_until
        answer.help = decision.help
        answer.role_path.extend(decision.role_path)
        fields = answer.fields
        obligations = answer.obligations
        for name, effect, mask, reason, rule, grants, _ in decision.fields:
            fields.add(name=name, effect=_EFFECTS[effect], mask=mask, reason=reason, rule=rule, grant_ids=grants)
            if decision.allow and effect is Effect.MASKED:
                obligations.add(kind=pb.OBLIGATION_KIND_MASK, field=name, mask=mask)
        if valid_until and not observe:
            tool = snapshot.bundle.tools.get(request.tool)
            if request.subjects:
                obligations.add(kind=pb.OBLIGATION_KIND_LIMIT_SUBJECTS, limit=request.subjects)
            if tool is not None and tool.confirm == "required":
                obligations.add(kind=pb.OBLIGATION_KIND_CONFIRM_READ)


def _refuse_personal(field: str, value: str) -> None:
    """Refuse an identifier that looks like personal data, before it reaches a record.

    Raises `InvalidArgument`. Random UUIDs and 32 hex digits pass: they hold long digit runs by chance.
    """
    if value and _MAYBE_PERSONAL.search(value) and not _UUID.match(value) and (kind := looks_personal(value)):
        raise InvalidArgument(
            "PERSONAL_DATA_IN_IDENTIFIER", f"`{field}` looks like a {kind}; use an id that is about the work, such as a UUID."
        )


def _check_case(snapshot: Snapshot, purpose: str, case_id: str) -> None:
    known = snapshot.bundle.purposes.get(purpose)
    if known is not None and not known.matches_case(case_id):
        example = f"; an id looks like {known.case_example}" if known.case_example else " and takes none"
        raise InvalidArgument(
            "CASE_ID_INVALID", f"`case_id` does not have the form that purpose `{known.name}` asks for{example}."
        )


@lru_cache(maxsize=4096)
def _address(text: str) -> str:
    try:
        return plain(text)
    except ValueError:
        raise InvalidArgument("ORIGIN_INVALID", "`origin.ip` must be an IPv4 or IPv6 address.") from None
