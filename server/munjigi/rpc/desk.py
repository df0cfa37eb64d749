"""The one way from a question to a recorded verdict. Check, BatchCheck and every guarded RPC call it (P4).

`Desk.check` answers a question about member data, `Desk.authorize` one about Munjigi itself. Both take the
current snapshot once, decide, and append the record; the fronts answer after it is durable (P1).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from munjigi.audit.journal import Journal
from munjigi.audit.records import AccessRecord
from munjigi.decision.core import decide
from munjigi.decision.frames import Memory
from munjigi.decision.reasons import BLOCKED
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Request
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import InvalidArgument, PermissionDenied
from munjigi.kernel.identity import EmployeeKey, SignIn
from munjigi.kernel.ids import record_id
from munjigi.kernel.personal import looks_personal
from munjigi.kernel.references import MemberReferences, NameDigests
from munjigi.monitoring.counted import counted
from munjigi.policy.types import CLASS_PREFIX, OWN_DATABASE, Purpose, Table
from munjigi.rpc.addresses import plain
from munjigi.rpc.answers import Answer, Answering, message_of
from munjigi.rpc.call import Call
from munjigi.rpc.floods import Floods
from munjigi.rpc.forms import Form, Origin
from munjigi.rpc.pending import VALIDITY, PendingReads
from munjigi.rpc.ports import DecisionMeter, SnapshotSource
from munjigi.rpc.recording import access_record, of_call
from munjigi.rpc.room import Room
from munjigi.rpc.rulings import Question, Ruling, Rulings
from munjigi.rpc.whom import WhomToAsk
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

OVERSIGHT: Final = "oversight"  # the purpose of operating and overseeing Munjigi itself
_MAYBE_PERSONAL: Final = re.compile(r"@|eyJ|(?:\d[-_.]?){9}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z|[0-9a-f]{32}\Z")
_UNASKED: Final = SignIn()  # where no policy asks how someone signed in, all the same


class _Matter(NamedTuple):
    """What the questions of one form are about: purpose and table if they are known, and where the employee sits."""

    form: Form
    snapshot: Snapshot
    purpose: Purpose | None
    table: Table | None
    ip: str
    ip_asserted: bool


class _Standing(NamedTuple):
    """A ruling in one call. `record` lacks what is another for each question."""

    ruling: Ruling
    record: AccessRecord
    answering: Answering
    subjects: int
    has_case: bool


# The ruling, the index of the record (which a denial of a flood lacks), and what writes the answer by it.
Answered = tuple[Ruling, int | None, Answering]


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
        rulings: Rulings | None = None,
        stopwatch: Callable[[], int] = time.perf_counter_ns,
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
        self._rulings = rulings or Rulings()
        self._stopwatch = stopwatch
        self._whom: WhomToAsk | None = None

    def check(self, call: Call, asked: pb.CheckRequest) -> Answered:
        """Decide and record one question about member data as `check_each` does, but raise what is wrong with it."""
        answered = next(self.check_each(call, (asked,)))
        if isinstance(answered, InvalidArgument):
            raise answered
        return answered

    def check_each(self, call: Call, questions: Iterable[pb.CheckRequest]) -> Iterator[Answered | InvalidArgument]:
        """Decide and record questions about member data, one after the other, as their answers are taken.

        What is wrong with one question is given in its place: nothing of it is decided. A denial of a flood has no record: it
        is counted (`rpc/floods.py`). Raises `AuditUnavailable` when a record cannot be taken, and
        `Unavailable` when there is no room for more. Questions are taken apart: they are not whole afterwards.
        """
        read, room, snapshots = self._rulings.forms.read, self._room, self._snapshots
        clock, append, count = self._stopwatch, self._journal.append, self._meter.decision
        door, tool = call.door, call.caller.tool
        matter: _Matter | None = None
        standing: _Standing | None = None
        fits = ""  # the case id that was found to have its purpose's form
        for asked in questions:
            began = clock()
            try:
                form, case_id, serials, request_id = read(asked)
                room.require()
                snapshot = snapshots.snapshot
                if matter is None or matter.form is not form or matter.snapshot is not snapshot:
                    matter, standing, fits = self._matter(call, form, snapshot), None, ""
                if request_id:
                    _refuse_personal("request_id", request_id)
                if case_id != fits:  # most batches are about one case
                    if case_id and matter.purpose is not None:
                        _check_case(matter.purpose, case_id)
                    fits = case_id
                members = self._members(matter, serials) if serials else ()
                subjects = len(members) or len(serials) or form.subject_count
                if standing is None or standing.subjects != subjects or standing.has_case is not (case_id != ""):
                    standing = self._stand(call, matter, subjects, case_id)
                ruling, record, answering, _, _ = standing
                decision = ruling.decision
                if not decision.allow and not form.observe and self._floods.counted(tool, decision.reason, call.received):
                    index = None
                else:
                    record.case_id = case_id if decision.purpose_known or not case_id else self._digests.of(case_id)
                    record.members = members
                    record.request_id = request_id
                    record.latency_ns = clock() - began
                    index = append(record)
                    if ruling.read is not None:
                        self._pending.add(index, record.valid_until, ruling.read)
                count(door, ruling.counted, subjects if ruling.read is not None else 0)
                answered: Answered | InvalidArgument = ruling, index, answering
            except InvalidArgument as error:
                answered = error
            yield answered

    def probe(self, call: Call, asked: pb.CheckRequest) -> tuple[Snapshot, Request, str]:
        """Decide and record a question as a probe; return the snapshot that answered, the question and the decision id."""
        asked.intent = pb.INTENT_PROBE
        case_id = asked.case_id
        ruling, index, _ = self.check(call, asked)
        decision_id = "" if index is None else record_id(self._journal.log_id, index)
        return ruling.snapshot, ruling.request._replace(case_id=case_id), decision_id

    def _matter(self, call: Call, form: Form, snapshot: Snapshot) -> _Matter:
        """Look up what the questions of one form are about. Raises `InvalidArgument` for a malformed origin."""
        bundle = snapshot.bundle
        ip, asserted = self._origin(call, form.origin, snapshot)
        table = bundle.catalog.tables.get(form.resource)
        return _Matter(form, snapshot, bundle.purposes.get(form.purpose), table, ip, asserted)

    def _stand(self, call: Call, matter: _Matter, subjects: int, case_id: str) -> _Standing:
        """Find the ruling on a question, or make it, and the record of this call that it decides."""
        form, snapshot, _, _, ip, asserted = matter
        caller, received = call.caller, call.received
        sign_in = caller.sign_in if Memory.of(snapshot.bundle).asks_sign_in else _UNASKED
        employee, tool, has_case = caller.employee, caller.tool, case_id != ""
        question = (employee, tool, form, ip, subjects, has_case, sign_in)
        ruling = self._rulings.find(snapshot, question, received)
        if ruling is None:
            asked_for = (employee, tool, form.resource, form.fields, form.action, form.purpose, case_id, subjects, ip)
            request = Request(*asked_for, form.probe, form.partial, sign_in)
            ruling = self._rule(snapshot, question, request, received, observe=form.observe)
        valid_until = received + VALIDITY if ruling.decision.allow and not form.probe else 0
        session_id = form.origin.session_id if form.origin is not None and asserted else ""
        record = of_call(ruling.record, call, session_id=session_id, ip_asserted=asserted, valid_until=valid_until)
        return _Standing(ruling, record, Answering(ruling.answer, valid_until), subjects, has_case)

    def _rule(self, snapshot: Snapshot, question: Question, request: Request, now: int, *, observe: bool) -> Ruling:
        decision = decide(snapshot, request, now)
        own = request.resource.startswith(OWN_DATABASE + ".") and decision.resource_known
        record = access_record(request, decision, snapshot, self._digests, observe=observe, own=own)
        whom = self._whom_to_ask(snapshot, request.employee, now) if decision.help else None
        message = message_of(snapshot, request, decision, now, whom, observe=observe)
        answer = Answer.of(message, self._journal.log_id)
        may_read = decision.allow and not request.probe and not observe
        about = (request.employee, request.tool, request.resource, request.purpose)
        read = self._pending.read_of(*about) if may_read else None
        return self._rulings.rule(snapshot, question, request, decision, record, answer, read, now)

    def _whom_to_ask(self, snapshot: Snapshot, employee: EmployeeKey, now: int) -> WhomToAsk:
        """Return the last one where it serves: a menu asks much for one employee, and so does who guesses."""
        if self._whom is None or not self._whom.serves(snapshot, employee, now):
            self._whom = WhomToAsk(snapshot, employee, now)
        return self._whom

    def question_of(self, call: Call, asked: pb.CheckRequest, employee: EmployeeKey, tool: str) -> tuple[Snapshot, Request]:
        """Put a question as somebody else would, as a probe; nothing is decided or recorded.

        Raises `InvalidArgument` for malformed values.
        """
        snapshot = self._snapshots.snapshot
        form, case_id, serials, _ = self._rulings.forms.read(asked)
        matter = self._matter(call, form, snapshot)
        if case_id and matter.purpose is not None:
            _check_case(matter.purpose, case_id)
        subjects = len(serials) or form.subject_count
        asked_for = (employee, tool, form.resource, form.fields, form.action, form.purpose, case_id, subjects, matter.ip)
        return snapshot, Request(*asked_for, True, form.partial, None)

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
        self._meter.decision(call.door, counted(request, decision, ()), 0)
        if not decision.allow:
            told = self._whom_to_ask(snapshot, request.employee, call.received).told(decision.help)
            message = f"{call.door} needs `{request.action}` on `{request.resource}` ({decision.reason}). {told}".rstrip()
            raise PermissionDenied(decision.reason, message, decision_id)
        return decision_id

    def _origin(self, call: Call, origin: Origin | None, snapshot: Snapshot) -> tuple[str, bool]:
        """Return the employee's address and whether it is the tool's word."""
        tool = snapshot.bundle.tools.get(call.caller.tool)
        if origin is None or tool is None or not tool.asserts_origin or not origin.ip:
            return call.caller.peer, False
        _refuse_personal("origin.session_id", origin.session_id)
        return _address(origin.ip), True

    def _members(self, matter: _Matter, serials: Sequence[str]) -> tuple[str, ...]:
        """Turn serials into references. An unknown table has no key, so there is nothing to refer to.

        Raises `InvalidArgument` for a class: it has no key either, and an ALLOW must name its members.
        """
        table = matter.table
        if table is not None:
            return self._references.of(table.subjects_of, serials, table.key_type)
        if matter.form.resource.startswith(CLASS_PREFIX):
            raise InvalidArgument("MEMBER_IDS_NEED_TABLE", "A class has no member key; ask for a table, or give `subject_count`.")
        return ()


def _refuse_personal(field: str, value: str) -> None:
    """Refuse an identifier that looks like personal data, before it reaches a record.

    Raises `InvalidArgument`. Random UUIDs and 32 hex digits pass: they hold long digit runs by chance.
    """
    if value and _MAYBE_PERSONAL.search(value) and not _UUID.match(value) and (kind := looks_personal(value)):
        raise InvalidArgument(
            "PERSONAL_DATA_IN_IDENTIFIER", f"`{field}` looks like a {kind}; use an id that is about the work, such as a UUID."
        )


def _check_case(purpose: Purpose, case_id: str) -> None:
    if not purpose.matches_case(case_id):
        example = f"; an id looks like {purpose.case_example}" if purpose.case_example else " and takes none"
        raise InvalidArgument(
            "CASE_ID_INVALID", f"`case_id` does not have the form that purpose `{purpose.name}` asks for{example}."
        )


@lru_cache(maxsize=4096)
def _address(text: str) -> str:
    try:
        return plain(text)
    except ValueError:
        raise InvalidArgument("ORIGIN_INVALID", "`origin.ip` must be an IPv4 or IPv6 address.") from None
