"""The one way from a question to a recorded verdict. Check, BatchCheck and every guarded RPC call it (P4).

`Desk.check` answers a question about member data, `Desk.authorize` one about Munjigi itself. Both take the
current snapshot once, decide, and append the record; the fronts answer after it is durable (P1).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from munjigi.audit.journal import Journal
from munjigi.decision.cells import demands_on
from munjigi.decision.core import decide
from munjigi.decision.frames import Memory
from munjigi.decision.reasons import BLOCKED, STEP_UP_REQUIRED
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Effect, Request
from munjigi.kernel.clock import SECOND, Clock
from munjigi.kernel.errors import InvalidArgument, PermissionDenied
from munjigi.kernel.identity import EmployeeKey, SignIn
from munjigi.kernel.ids import record_id
from munjigi.kernel.personal import looks_personal
from munjigi.kernel.references import MemberReferences, NameDigests
from munjigi.policy.types import CLASS_PREFIX, OWN_DATABASE
from munjigi.rpc.addresses import plain
from munjigi.rpc.call import Call
from munjigi.rpc.floods import Floods
from munjigi.rpc.pending import VALIDITY, PendingReads
from munjigi.rpc.ports import DecisionMeter, SnapshotSource
from munjigi.rpc.recording import access_record, of_call
from munjigi.rpc.room import Room
from munjigi.rpc.rulings import Question, Ruling, Rulings
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

OVERSIGHT: Final = "oversight"  # the purpose of operating and overseeing Munjigi itself
_MAYBE_PERSONAL: Final = re.compile(r"@|eyJ|(?:\d[-_.]?){9}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z|[0-9a-f]{32}\Z")
_UNASKED: Final = SignIn()  # where no policy asks how someone signed in, all the same
_EFFECTS: Final = {
    Effect.CLEAR: pb.FIELD_EFFECT_CLEAR,
    Effect.MASKED: pb.FIELD_EFFECT_MASKED,
    Effect.DENIED: pb.FIELD_EFFECT_DENIED,
}


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
        room: Room | None = None,
        floods: Floods | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._journal = journal
        self._references = references
        self._digests = digests
        self._clock = clock
        self._pending = pending
        self._meter = meter
        self._room = room or Room()
        self._floods = floods or Floods(0, journal.append)
        self._rulings = Rulings()

    def check(self, call: Call, asked: pb.CheckRequest) -> pb.CheckResponse:
        """Answer one question about member data. Raises what `answer` raises."""
        answer = pb.CheckResponse()
        self.answer(call, asked, answer)
        return answer

    def probe(self, call: Call, asked: pb.CheckRequest) -> tuple[Snapshot, Request, str]:
        """Decide and record a question as a probe; return the snapshot that answered, the question and the decision id."""
        asked.intent = pb.INTENT_PROBE
        answer = pb.CheckResponse()
        ruling = self.answer(call, asked, answer)
        return ruling.snapshot, ruling.request._replace(case_id=asked.case_id), answer.decision_id

    def answer(self, call: Call, asked: pb.CheckRequest, answer: pb.CheckResponse) -> Ruling:
        """Decide and record one question about member data, fill in `answer`, and return the ruling behind it.

        A denial of a flood is answered without decision id and record: it is counted (`rpc/floods.py`). Raises `InvalidArgument`
        for malformed values (nothing is decided) and `AuditUnavailable` when the record cannot be taken.
        """
        began = time.perf_counter_ns()
        self._room.require()
        caller, door, received, _, _ = call
        snapshot = self._snapshots.snapshot
        ip, asserted = self._origin(call, asked, snapshot)
        request_id = asked.request_id
        _refuse_personal("request_id", request_id)
        resource, purpose, case_id, observe = asked.resource, asked.purpose, asked.case_id, asked.observe
        if case_id:
            _check_case(snapshot, purpose, case_id)
        member_ids = asked.member_ids
        members = self._members(snapshot, resource, member_ids) if member_ids else ()
        employee, tool = caller.employee, caller.tool
        sign_in = caller.sign_in if Memory.of(snapshot.bundle).asks_sign_in else _UNASKED
        fields, action = tuple(asked.fields), asked.action or "read"
        subjects = len(members) or len(member_ids) or asked.subject_count
        probe, partial = asked.intent == pb.INTENT_PROBE, asked.allow_partial
        asked_for = (resource, fields, action, purpose, case_id != "", subjects, ip, probe, partial, observe)
        question = (employee, tool, *asked_for, sign_in)
        ruling = self._rulings.find(snapshot, question, received)
        if ruling is None:
            request = Request(employee, tool, resource, fields, action, purpose, case_id, subjects, ip, probe, partial, sign_in)
            ruling = self._rule(snapshot, question, request, received, observe=observe)
        decision = ruling.decision
        if not decision.allow and not observe and self._floods.counted(tool, decision.reason, received):
            answer.CopyFrom(ruling.answer)
            self._meter.decision(door, tool, decision)
            return ruling
        valid_until = received + VALIDITY if decision.allow and not probe else 0
        index = self._journal.append(
            of_call(
                ruling.record,
                call,
                case_id=case_id if decision.purpose_known or not case_id else self._digests.of(case_id),
                members=members,
                request_id=request_id,
                session_id=asked.origin.session_id if asserted else "",
                ip_asserted=asserted,
                valid_until=valid_until,
                latency_ns=time.perf_counter_ns() - began,
            )
        )
        log_id = self._journal.log_id
        answer.CopyFrom(ruling.answer)
        answer.decision_id = record_id(log_id, index)
        answer.valid_until = valid_until
        position = answer.record
        position.log_id = log_id
        position.index = index
        if valid_until and not observe:
            self._pending.add(index, caller, valid_until, resource)
        self._meter.decision(door, tool, decision)
        return ruling

    def _rule(self, snapshot: Snapshot, question: Question, request: Request, now: int, *, observe: bool) -> Ruling:
        decision = decide(snapshot, request, now)
        own = request.resource.startswith(OWN_DATABASE + ".") and decision.resource_known
        record = access_record(request, decision, snapshot, self._digests, observe=observe, own=own)
        answer = _answer(snapshot, request, decision, observe=observe)
        return self._rulings.rule(snapshot, question, request, decision, record, answer, now)

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
        return snapshot, question._replace(allow_partial=asked.allow_partial, sign_in=None)

    def authorize(
        self,
        call: Call,
        resource: str,
        action: str,
        request_id: str = "",
        *,
        members: tuple[str, ...] = (),
        urgent: bool = False,
    ) -> str:
        """Decide an operation on Munjigi itself and return its decision id.

        `members` are the references of the one member whom it concerns, if it does: conditions see one subject, and the
        record names it. `urgent`: it takes access away, and works on a full disk. Raises `PermissionDenied` when the verdict is DENY; the
        denial is recorded, or counted when it is one of a flood.
        """
        self._room.require_urgent() if urgent else self._room.require()
        _refuse_personal("request_id", request_id)
        snapshot = self._snapshots.snapshot
        employee, tool, peer, sign_in = call.caller
        request = Request(employee, tool, resource, (), action, OVERSIGHT, subjects=1 if members else 0, ip=peer, sign_in=sign_in)
        return self._conclude(call, request, decide(snapshot, request, call.received), snapshot, request_id, members)

    def about_oneself(self, call: Call, resource: str, *, urgent: bool = False) -> str:
        """Record that someone asks what concerns only themselves, which anyone may who is not blocked; return the decision id.

        `urgent`: it takes access away, and works on a full disk.
        """
        self._room.require_urgent() if urgent else self._room.require()
        snapshot = self._snapshots.snapshot
        employee, tool, peer, sign_in = call.caller
        request = Request(employee, tool, resource, (), "read", OVERSIGHT, ip=peer, sign_in=sign_in)
        decision = decide(snapshot, request, call.received)
        if decision.reason != BLOCKED:
            decision = decision._replace(allow=True, reason="ABOUT_ONESELF", fields=(), rule="", role_path=(), help="")
        return self._conclude(call, request, decision, snapshot, "")

    def refused(self, call: Call, resource: str, action: str, error: PermissionDenied) -> PermissionDenied:
        """Record that a register such as roles.toml leaves an operation to others, and return the error with its record's id."""
        snapshot = self._snapshots.snapshot
        employee, tool, peer, sign_in = call.caller
        request = Request(employee, tool, resource, (), action, OVERSIGHT, ip=peer, sign_in=sign_in)
        denied = decide(snapshot, request, call.received)._replace(
            allow=False, reason=error.reason, fields=(), rule="", role_path=(), help=error.message
        )
        try:
            self._conclude(call, request, denied, snapshot, "")
        except PermissionDenied as recorded:
            return PermissionDenied(error.reason, error.message, recorded.decision_id)
        return error

    def _conclude(
        self,
        call: Call,
        request: Request,
        decision: Decision,
        snapshot: Snapshot,
        request_id: str,
        members: tuple[str, ...] = (),
    ) -> str:
        tool = call.caller.tool
        decision_id = ""
        if decision.allow or not self._floods.counted(tool, decision.reason, call.received):
            described = access_record(request, decision, snapshot, self._digests, own=True)
            index = self._journal.append(of_call(described, call, members=members, request_id=request_id))
            decision_id = record_id(self._journal.log_id, index)
        self._meter.decision(call.door, tool, decision)
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


def _answer(snapshot: Snapshot, request: Request, decision: Decision, *, observe: bool) -> pb.CheckResponse:
    """Put a decision into an answer, all but its period and where its record lies."""
    answer = pb.CheckResponse(
        decision=pb.DECISION_ALLOW if decision.allow else pb.DECISION_DENY,
        reason=decision.reason,
        policy_revision=decision.policy_revision,
        grant_revision=decision.grant_revision,
        help=decision.help,
        role_path=decision.role_path,
    )
    fields = answer.fields
    obligations = answer.obligations
    for name, effect, mask, reason, rule, grants, _ in decision.fields:
        fields.add(name=name, effect=_EFFECTS[effect], mask=mask, reason=reason, rule=rule, grant_ids=grants)
        if decision.allow and effect is Effect.MASKED:
            obligations.add(kind=pb.OBLIGATION_KIND_MASK, field=name, mask=mask)
        if reason == STEP_UP_REQUIRED:
            _add_step_up(answer, snapshot, request, name)
    if decision.allow and not request.probe and not observe:
        tool = snapshot.bundle.tools.get(request.tool)
        if request.subjects:
            obligations.add(kind=pb.OBLIGATION_KIND_LIMIT_SUBJECTS, limit=request.subjects)
        if tool is not None and tool.confirm == "required":
            obligations.add(kind=pb.OBLIGATION_KIND_CONFIRM_READ)
    return answer


def _add_step_up(answer: pb.CheckResponse, snapshot: Snapshot, request: Request, name: str) -> None:
    """Say which sign-in a field wants, in the words of RFC 9470, so that the tool can ask the provider for it."""
    target = name if name.startswith(CLASS_PREFIX) else f"{request.resource}.{name}"
    for demand in demands_on(snapshot.bundle, target):
        step_up = pb.StepUp(acr_values=demand.acr, max_age_seconds=demand.max_age // SECOND, challenge=demand.challenge())
        answer.obligations.add(kind=pb.OBLIGATION_KIND_STEP_UP, field=name, step_up=step_up)


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
