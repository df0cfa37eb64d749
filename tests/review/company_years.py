"""A made-up company for some years under quarterly reviews: it works, the real core decides, use is counted, plans are made and applied.

Two tables of grants live side by side: one that reviews change, and one that nobody reviews. Who is denied by the first what the second
allows has lost something by a review, and gets it back at once: a false revocation.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from random import Random

import pytest
from review.reference import Reference
from review.usage_kit import POLICIES

from munjigi.adapters.policy_files import read_policy_home
from munjigi.adapters.usage.store import SqlUsageStore, UsageFile
from munjigi.audit.records import ConfirmRecord, encode
from munjigi.company.days import HOUR, Day, days
from munjigi.company.events import Asked, Event, Founded, Hire, Question, Revoked, Staffed, Voted, Wanted
from munjigi.company.life import Company, live
from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Request
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.grant import Fact, Grant, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.references import NameDigests
from munjigi.kernel.review import PlannedItem, ReviewPlan
from munjigi.policy.calendar import Calendar
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import PolicyBundle
from munjigi.review.days import DAY
from munjigi.review.held import of_grant, privileged_roles
from munjigi.review.planner import Inputs, RecordedBytes, plan
from munjigi.review.ports import LogMark, Taken
from munjigi.review.settings import SHIPPED
from munjigi.review.usage import Fold
from munjigi.rpc.recording import access_record

LOG = "simulated0journal000"
MINUTE = 60 * 10**9
FOREVER = 40_000 * DAY
FOURTEEN_DAYS = 14 * DAY
FACTS = tuple(Fact(kind, 0, FOREVER, "test") for kind in ("pledge", "training", "device", "screening"))
EXTRA_RULES = """
p, tax_clerk, class:transaction, read, inquiry, True, allow, clear
p, tax_clerk, class:payment, read, inquiry, True, allow, partial
p, closing_clerk, class:transaction, read, inquiry, True, allow, clear
"""
EXTRA_ROLES = """
[roles.{name}]
title = "{name}"
owners = ["cs.lee", "dpo.yoon"]
stages = ["owner"]
longest_days = 2000
review = "{review}"
requires = []
budget = 0
"""


def company_policy(zone: str) -> PolicyBundle:
    files = dict(read_policy_home(POLICIES).files)
    files = {path: content for path, content in files.items() if not path.startswith("tests/") and path != "calendar.toml"}
    files["policy.csv"] += EXTRA_RULES.encode()
    files["calendar.toml"] = f'zone = "{zone}"\n'.encode()
    extra = (("tax_clerk", "yearly"), ("closing_clerk", "quarterly"))
    files["roles.toml"] += "".join(EXTRA_ROLES.format(name=name, review=review) for name, review in extra).encode()
    made, problems = compile_bundle(files, "simulation")
    assert made is not None, [str(each) for each in problems if each.severity == "error"]
    return made


@dataclass
class Outcome:
    """What came of it."""

    plans: list[ReviewPlan] = field(default_factory=list)
    removed: int = 0  # items that took something away
    restored: int = 0  # of these, within 14 days
    restored_late: int = 0
    refused: int = 0  # plans that had to wait for use that was not counted
    reads: int = 0
    used_removed: int = 0  # permissions that the reference says were used, and a plan took all the same
    excess: dict[str, tuple[int, int]] = field(
        default_factory=dict
    )  # with reviews and without: of grants old enough to judge, of all


class Years:
    """The simulation. `count` employees for `length` days from `first` on."""

    def __init__(self, folder: Path, seed: int, *, first: date, length: int, count: int = 20, zone: str = "Asia/Seoul") -> None:
        self.random = Random(f"years {seed}")
        self.zone = zone
        self.first, self.length = first, length
        self.bundle = company_policy(zone)
        self.calendar = Calendar(zone)
        self.company = Company(seed, count, first, length, self.calendar, members=2000)
        self.store = SqlUsageStore(UsageFile(folder / "usage.sqlite"), zone=zone)
        self.exempt = frozenset(name for name, tool in self.bundle.tools.items() if tool.confirm == "exempt")
        self.reviewed = GrantTable.build([], [], 0)
        self.left_alone = GrantTable.build([], [], 0)
        self.reference = Reference(self.bundle, zone, privileged_roles(self.bundle))
        self.fold = self._fold()
        self.fed = 0
        self.payloads: list[tuple[int, bytes]] = []  # time and bytes, of as long as anything is judged
        self.index = 0
        self.now = 0
        self.frozen_until = 0
        self.votes: dict[str, int] = {}
        self.handles: dict[str, str] = {}  # of what gave more time: the grant that has it
        self.wanted: dict[str, Wanted] = {}
        self.taken: dict[str, int] = {}  # grants that a review took something of: when
        self.paused: dict[str, list[tuple[int, int]]] = {}
        self.suspended_at: dict[str, int] = {}
        self.digests = NameDigests(b"only for tests" * 3)
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Live through all of it."""
        with closing(self.store):
            calendar = {each.begins: each for each in days(self.first, self.length, self.calendar)}
            begins = sorted(calendar)
            outage = begins[len(begins) * 2 // 3]
            due = [at for at in begins[1:] if calendar[at].date.day == 1 and calendar[at].date.month % 3 == 1]
            due = [*due, begins[-1]]
            plans_on = set(due)
            self.away = next((at - 2 * DAY, at + HOUR) for at in due if at >= outage or at == due[-1])
            events = heapq.merge(live(self.company), self._extras(calendar, begins), key=lambda event: event.at)
            for at, following in _by_day(events, begins):
                for event in following:
                    self._happen(event)
                if at in plans_on:
                    self._review(at)
                self._feed(at)
            self._measure(begins[-1])
        return self.outcome

    # ---- events

    def _extras(self, calendar: dict[int, Day], begins: list[int]) -> Iterator[Event]:
        """Yield work that comes round once a year or at the end of quarters, emergencies, menus only, and people who stop using a role."""
        hires = [
            *(Hire(f"tax.{number}", "finance", "", "tax_clerk", "inquiry", "", 3000) for number in range(2)),
            *(Hire(f"closing.{number}", "finance", "", "closing_clerk", "inquiry", "", 3000) for number in range(2)),
            *(Hire(f"idle.{number}", "customer-service", "", "cs_agent", "inquiry", "", 3000) for number in range(3)),
            Hire("menu.0", "customer-service", "", "cs_agent", "inquiry", "", 3000),
            Hire("stops.0", "customer-service", "", "cs_agent", "inquiry", "", 3000),
            Hire("two.0", "customer-service", "", "cs_agent", "inquiry", "", 3000),
            Hire("two.0", "customer-service", "", "cs_manager", "inquiry", "", 2900),
        ]
        yield Founded(begins[0], tuple(hires))
        name, order = "crm.member", "crm.member_order"
        for at in begins:
            day = calendar[at]
            if day.kind != "workday":
                continue
            noon = at + 12 * HOUR
            made: list[Asked] = []
            if day.date.month == 1:
                made += [self._asked(noon, f"tax.{number}", "crm.payment", ("amount", "card_number")) for number in range(2)]
            if day.closing:
                made += [self._asked(noon, f"closing.{number}", order, ("amount", "product")) for number in range(2)]
            made.append(self._asked(noon, "menu.0", name, ("name", "phone"), probe=True))
            if at < begins[0] + 50 * DAY:
                made.append(self._asked(noon, "stops.0", name, ("name",)))
            made.append(self._asked(noon, "two.0", name, ("birth_date",)))
            if self.random.random() < 0.02:
                yield Emergency(noon)
                made.append(
                    self._asked(noon + MINUTE, "emergency.0", "crm.payment", ("amount",), "fraud_investigation", "FR-2026-0042")
                )
            yield from made

    def _asked(
        self,
        at: int,
        who: str,
        resource: str,
        names: tuple[str, ...],
        purpose: str = "inquiry",
        case: str = "CS-2026-000123",
        probe: bool = False,
    ) -> Asked:
        tool = "fraud-console" if purpose == "fraud_investigation" else "crm-desk"
        question = Question(resource, names, purpose, case, ("1000001",), probe=probe)
        return Asked(at, who, tool, "extra", (question,), "10.1.2.3", 1, "read", MINUTE // 60)

    def _happen(self, event: Event) -> None:
        if isinstance(event, Asked):
            self._ask(event)
        elif isinstance(event, Founded):
            for hire in event.hires:
                self._join(hire.employee, hire.department)
                if hire.role:
                    self._grant(f"{hire.employee}.{hire.role}", hire.employee, hire.role, hire.purpose, event.at, hire.days)
        elif isinstance(event, Emergency):
            self._join("emergency.0", "fraud")
            key = f"emergency.{event.at}"
            self._grant(key, "emergency.0", "fraud_analyst", "fraud_investigation", event.at, 0, hours=4)
        elif isinstance(event, Staffed):
            self._staffed(event)
        elif isinstance(event, Wanted):
            self.wanted[event.handle] = event
            self.votes[event.handle] = 0
        elif isinstance(event, Voted):
            self._voted(event)
        elif isinstance(event, Revoked):
            for grant in self._of_handle(event.handle):
                self._put(replace(grant, ends_at=event.at, ended="REVOKED"))

    def _voted(self, event: Voted) -> None:
        wanted = self.wanted.get(event.handle)
        if wanted is None or not event.approve:
            self.wanted.pop(event.handle, None)
            return
        self.votes[event.handle] += 1
        if self.votes[event.handle] < len(self.bundle.roles[wanted.role].stages):
            return
        del self.wanted[event.handle]
        if self.left_alone.person(key_of(wanted.employee)) is None:
            return
        known = self._of_handle(wanted.renews) if wanted.renews else []
        if known and known[0].ends_at > event.at and not known[0].ended:
            for table in ("reviewed", "left_alone"):
                grant = getattr(self, table).grant(known[0].grant_id)
                if grant is not None and not grant.ended:
                    self._put(replace(grant, ends_at=event.at + wanted.days * DAY), table)
            self.handles[event.handle] = known[0].grant_id
            return
        self._grant(event.handle, wanted.employee, wanted.role, wanted.purpose, event.at, wanted.days)

    def _of_handle(self, handle: str) -> list[Grant]:
        found = self.left_alone.grant(self.handles.get(handle, handle))
        return [found] if found is not None else []

    def _staffed(self, event: Staffed) -> None:
        key = key_of(event.employee)
        if event.kind == "joiner":
            self._join(event.employee, event.department)
            return
        for table in ("reviewed", "left_alone"):
            for grant in getattr(self, table).of(key):
                if grant.ended or grant.ends_at <= event.at:
                    continue
                if event.kind in ("leaver", "mover"):
                    self._put(replace(grant, ends_at=event.at, ended=event.kind.upper(), suspended=""), table)
                elif event.kind == "leave":
                    self._put(replace(grant, suspended="LEAVE"), table)
                    if table == "reviewed":
                        self.suspended_at[grant.grant_id] = event.at
                        self.reference.suspend(grant.grant_id, event.at)
                else:
                    self._put(replace(grant, suspended=""), table)
                    since = self.suspended_at.pop(grant.grant_id, None) if table == "reviewed" else None
                    if since is not None:
                        self.paused.setdefault(grant.grant_id, []).append((since, event.at))
                        self.reference.resume(grant.grant_id, event.at)

    def _join(self, who: str, department: str) -> None:
        known = Person(f"p.{who}", "employee", department, (key_of(who),), FACTS)
        for table in ("reviewed", "left_alone"):
            setattr(self, table, getattr(self, table).with_person(known, self.index))

    def _grant(self, grant_id: str, who: str, role: str, purpose: str, at: int, length: int, *, hours: int = 0) -> None:
        ends = at + hours * HOUR if hours else at + length * DAY
        self._put(Grant(grant_id, key_of(who), role, purpose, at, ends, ("urn:test/cs.lee",), break_glass=bool(hours)))

    def _put(self, grant: Grant, table: str = "") -> None:
        for name in (table,) if table else ("reviewed", "left_alone"):
            current = getattr(self, name)
            known = current.grant(grant.grant_id)
            mine = replace(grant, scope=known.scope) if not table and known is not None else grant
            setattr(self, name, current.with_grant(mine, current.revision + 1))

    # ---- asking

    def _ask(self, event: Asked) -> None:
        for question in event.questions:
            request = Request(
                key_of(event.employee),
                event.tool,
                question.resource,
                question.fields,
                question.action,
                question.purpose,
                question.case_id,
                len(question.members) or question.subjects,
                event.ip or "10.1.2.3",
                probe=question.probe,
            )
            decision = decide(Snapshot(self.bundle, self.reviewed), request, event.at)
            if not decision.allow and self.taken and not question.probe:
                decision = self._missed(request, event.at) or decision
            snapshot = Snapshot(self.bundle, self.reviewed)
            record = access_record(request, decision, snapshot, self.digests)
            record.door, record.asked_at, record.peer = "Check", event.at, "127.0.0.1"
            record.members = tuple(f"m1.01234567.{each:>026}" for each in question.members)
            record.valid_until = event.at + MINUTE if decision.allow and not question.probe else 0
            index = self._append(record, event.at)
            self.reference.decision(f"{LOG}-{index}", record)
            if decision.allow and event.rows is not None and not question.probe:
                confirmed = ConfirmRecord(
                    issuer="urn:test",
                    employee=event.employee,
                    tool=event.tool,
                    ip="127.0.0.1",
                    decision_id=f"{LOG}-{index}",
                    outcome=event.outcome,
                    row_count=event.rows,
                )
                self._append(confirmed, event.at + event.takes)
                self.reference.confirmation(confirmed)
                self.outcome.reads += event.outcome == "read"

    def _append(self, record: object, at: int) -> int:
        """Put a record into the journal, whose time never goes back; now and then the clock does, for an hour."""
        if at < self.frozen_until:
            at = self.now
        elif self.random.random() < 0.00002:
            self.frozen_until = at + HOUR
        self.now = max(self.now, at)
        record.index, record.time = self.index, self.now  # type: ignore[attr-defined]
        self.payloads.append((self.now, encode(record)))  # type: ignore[arg-type]
        self.index += 1
        return self.index - 1

    def _missed(self, request: Request, at: int) -> Decision | None:
        """Tell whether a review took what is asked for; then it is given back."""
        if not any(grant.grant_id in self.taken for grant in self.left_alone.of(request.employee)):
            return None
        if not decide(Snapshot(self.bundle, self.left_alone), request, at).allow:
            return None
        for grant in self.left_alone.of(request.employee):
            taken_at = self.taken.get(grant.grant_id)
            if taken_at is not None and grant.purpose == request.purpose:
                del self.taken[grant.grant_id]
                self.outcome.restored += at - taken_at <= FOURTEEN_DAYS
                self.outcome.restored_late += at - taken_at > FOURTEEN_DAYS
                self._put(grant, "reviewed")
        return decide(Snapshot(self.bundle, self.reviewed), request, at)

    # ---- counting and reviewing

    def _fold(self) -> Fold:
        return Fold(LOG, 0, lambda tool, _: tool in self.exempt, self.store.days, _Alone(), {})

    def _feed(self, at: int) -> None:
        """Count what is new, unless the pipeline is away; drop what nothing judges any more."""
        if self.away[0] <= at < self.away[1]:
            return
        before = self.fold.next_index
        fresh = [payload for _, payload in self.payloads[self.fed :]]
        self.fold.feed(fresh)
        counted, claims = self.fold.counted()
        mark = LogMark(
            LOG, self.fold.next_index, self.reference.begins_at, self.fold.time, max(at, self.fold.time), self.fold.resume
        )
        assert self.store.take(Taken(before, mark, counted, claims))
        keep = at - 520 * DAY
        old = next((number for number, each in enumerate(self.payloads) if each[0] >= keep), len(self.payloads))
        if old > 100_000:
            del self.payloads[:old]
        self.fed = len(self.payloads)

    def _review(self, at: int) -> None:
        """Plan as of the midnight that begins this day, hold it against the reference, and apply it."""
        if self.away[0] <= at < self.away[1]:
            with pytest.raises(FailedPrecondition) as refused:
                self._plan(at)
            assert refused.value.reason == "USAGE_GAP"
            self.outcome.refused += 1
            self.away = (0, 0)
        self._feed(at + DAY)
        made = self._plan(at)
        self.outcome.plans.append(made)
        self._check(made, at)
        for item in made.items:
            if item.verdict in ("reduce", "revoke"):
                self._apply(item, at + DAY)

    def _plan(self, cutoff: int) -> ReviewPlan:
        recorded = (
            RecordedBytes(LOG, number, payload)
            for number, (_, payload) in enumerate(self.payloads, self.index - len(self.payloads))
        )
        pauses = {grant_id: tuple(each) for grant_id, each in self.paused.items()}
        row = SHIPPED[0]
        return plan(
            Inputs(
                self.bundle, self.reviewed, self.store, row, cutoff + DAY - 1, cutoff, row.kind, recorded=recorded, pauses=pauses
            )
        )

    def _check(self, made: ReviewPlan, cutoff: int) -> None:
        """Hold a plan against the slow reference, item by item."""
        expected = self.reference.expect(self.reviewed, made.made_at, cutoff)
        found = {item.grant_id: (item.verdict, item.scope) for item in made.items}
        assert found == expected
        assert made.replay.newly_denied_used == ()
        for item in made.items:
            if item.verdict not in ("reduce", "revoke"):
                continue
            grant = self.reviewed.grant(item.grant_id)
            assert grant is not None
            used = self.reference.in_use(grant, cutoff)
            left = self.reference.held(grant.role, grant.purpose, item.scope) if item.verdict == "reduce" else frozenset()
            gone = used - left
            if item.rule == "REDUNDANT":  # what it was used for is used of others that stay
                others = [
                    other
                    for other in self.reviewed.of(grant.employee)
                    if other.purpose == grant.purpose and found.get(other.grant_id, ("keep", None))[0] != "revoke"
                ]
                gone -= frozenset().union(*(self.reference.in_use(other, cutoff) for other in others))
            self.outcome.used_removed += len(gone)

    def _apply(self, item: PlannedItem, at: int) -> None:
        grant = self.reviewed.grant(item.grant_id)
        assert grant is not None
        if grant.ended or grant.ends_at <= at:
            return
        self.outcome.removed += 1
        self.taken[item.grant_id] = at
        changed = replace(grant, scope=item.scope) if item.verdict == "reduce" else replace(grant, ends_at=at, ended="REVIEW")
        self._put(changed, "reviewed")

    def _measure(self, at: int) -> None:
        """Count what is held and was never used, of grants that are old enough to be judged, and of all."""
        for name, age in (("judged", 200 * DAY), ("all", 0)):
            totals = []
            for table in (self.reviewed, self.left_alone):
                total = 0
                for grant in self.left_alone:
                    mine = table.grant(grant.grant_id)
                    if mine is None or not mine.active(at) or mine.starts_at > at - age:
                        continue
                    used = self.reference.used.get(grant.grant_id, {})
                    total += sum((each.object, each.action) not in used for each in of_grant(self.bundle, mine))
                totals.append(total)
            self.outcome.excess[name] = (totals[0], totals[1])


class _Alone:
    """There is no other log."""

    def record(self, log_id: str, index: int) -> None:
        del log_id, index

    def confirmed(self, log_id: str, index: int, until: int) -> bool:
        raise AssertionError

    def claimed(self, log_id: str, index: int) -> bool:
        raise AssertionError


@dataclass
class Emergency:
    """Somebody takes a role in an emergency: an event beside the company's own."""

    at: int


def key_of(who: str) -> EmployeeKey:
    return EmployeeKey("urn:test", who)


def _by_day(events: Iterator[Event], begins: list[int]) -> Iterator[tuple[int, list[Event]]]:
    """Yield each midnight with the events before it."""
    waiting = next(events, None)
    for at in begins[1:]:
        found: list[Event] = []
        while waiting is not None and waiting.at < at:
            found.append(waiting)
            waiting = next(events, None)
        yield at, found
