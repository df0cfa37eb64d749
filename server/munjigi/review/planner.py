"""Plan a review: what becomes of each grant, by which rule, on which evidence. A pure function of everything that it looks at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Holdings
from munjigi.grants.lifecycle import state_of
from munjigi.kernel.grant import Grant, Person, Scope
from munjigi.kernel.review import Evidence, Permission, PlannedItem, Replay, ReviewPlan, Use, Watermark
from munjigi.policy.types import PolicyBundle
from munjigi.review import rules
from munjigi.review.coverage import NOTHING_LOST, Coverage, Lost, covered, require
from munjigi.review.days import Days, before, last_of
from munjigi.review.encoding import grant_digest
from munjigi.review.held import Held, classes_of, of_grant, privileged_roles, smallest_scope, within
from munjigi.review.ports import PermissionUse, UsageView
from munjigi.review.replay import Group, RecordedBytes, grouped, newly_denied, timeless
from munjigi.review.rules import Account, AccountRule, Candidate, Facts, Rule
from munjigi.review.settings import ReviewRow
from munjigi.review.windows import Pause, back

__all__ = ["Inputs", "RecordedBytes", "plan"]

_PIECE: Final = 2000  # grants whose use is looked up at once
_ROUNDS: Final = 4  # of the replay: each keeps what the one before found to be needed


class Inputs(NamedTuple):
    """What a plan is made of. Times are UTC nanoseconds: it is made at `now`, and what was before `cutoff` is judged.

    `exceptions` are ids of grants that stay whatever their use is, `logs` those that there should be use of, beside those that it is
    counted of. `recorded` are the records of the logs, each log's in order, of which the reads before `cutoff` are put to the
    proposed state. `pauses` are the times in which grants were suspended, by id; `added` is when a role got a permission for a purpose,
    where that was not long ago. `lost` are logs that nobody waits for any more.
    """

    bundle: PolicyBundle
    holdings: Holdings
    usage: UsageView
    settings: ReviewRow
    now: int
    cutoff: int
    kind: str
    exceptions: frozenset[str] = frozenset()
    recorded: Iterable[RecordedBytes] = ()
    logs: frozenset[str] = frozenset()
    pauses: Mapping[str, tuple[Pause, ...]] = {}
    added: Mapping[tuple[str, str, Permission], int] = {}
    lost: Lost = NOTHING_LOST


@dataclass(slots=True)
class _Case:
    """A grant that is judged: whose it is, what it allows and what of that was used when, what follows."""

    grant: Grant
    person: Person
    held: Held
    evidence: Evidence
    threshold_days: int
    facts: Facts | None = None
    rule: Rule | AccountRule = rules.IN_USE
    used: frozenset[Permission] = frozenset()
    stays: Held = ()  # what `facts.left` leaves


def plan(inputs: Inputs) -> ReviewPlan:
    """Return the plan. Raises `FailedPrecondition` `USAGE_GAP` when use is not known as far as every grant would need (REVIEW R11).

    A gap that concerns every grant refuses the plan; one that only a longer threshold reaches makes those grants `NOT_COVERED`.
    """
    return _Planner(inputs).plan()


class _Planner:
    def __init__(self, inputs: Inputs) -> None:
        self._in = inputs
        self._row = inputs.settings
        self._days = Days(inputs.usage.zone)
        self._cutoff_day = self._days.of(inputs.cutoff)
        self._privileged = privileged_roles(inputs.bundle)
        self._defaults: Mapping[str, str] = dict(inputs.settings.defaults)
        self._classes: dict[str, tuple[str, ...]] = {}
        self._known: tuple[Held, frozenset[Permission]] = ((), frozenset())  # what was looked at last
        self._backs: dict[int, int] = {}
        self._kept: dict[tuple[Permission, ...], tuple[Permission, ...]] = {}  # one value of equal evidence

    def plan(self) -> ReviewPlan:
        """Judge each grant, prove it by the replay, and freeze it."""
        inputs, row = self._in, self._row
        marks, gaps = inputs.usage.marks(), inputs.usage.gaps()
        coverage = covered(marks, gaps, inputs.logs, inputs.cutoff, inputs.now, inputs.lost)
        cases = list(self._cases())
        thresholds = [case.threshold_days for case in cases] or [row.thresholds.continuous]
        if row.judges in ("use", "accounts"):
            require(coverage, self._back(min(thresholds), ()), inputs.cutoff)
        window_start = self._back(max(thresholds), ())
        self._judge(cases, coverage)
        replay = self._replay(cases, window_start) if row.judges == "use" else Replay(0, ())
        return ReviewPlan(
            kind=inputs.kind,
            made_at=inputs.now,
            window_start=window_start,
            cutoff=inputs.cutoff,
            policy_revision=inputs.bundle.revision,
            grant_revision=inputs.holdings.revision,
            rules_digest=rules.rules_digest(row),
            watermarks=tuple(Watermark(mark.log_id, mark.next_index, mark.time) for mark in marks),
            items=tuple(self._item(number, case) for number, case in enumerate(cases)),
            replay=replay,
        )

    def _cases(self) -> Iterator[_Case]:
        """Yield the grants that the row is about, by person, account and id, with their use."""
        piece: list[tuple[Grant, Person]] = []
        for person in sorted(self._in.holdings.people(), key=lambda each: each.person_id):
            for account in person.accounts:
                piece += [(grant, person) for grant in self._in.holdings.of(account) if self._is_about(grant)]
            if len(piece) >= _PIECE:
                yield from self._with_use(piece)
                piece = []
        yield from self._with_use(piece)

    def _is_about(self, grant: Grant) -> bool:
        row = self._row
        if state_of(grant, self._in.now) not in ("active", "suspended"):
            return False
        if row.roles and grant.role not in row.roles:
            return False
        return row.who == "all" or (row.who == "privileged") == self._is_privileged(grant)

    def _is_privileged(self, grant: Grant) -> bool:
        return grant.break_glass or grant.role in self._privileged

    def _with_use(self, grants: Sequence[tuple[Grant, Person]]) -> Iterator[_Case]:
        used = self._in.usage.of([grant.grant_id for grant, _ in grants])
        for grant, person in grants:
            role = self._in.bundle.roles.get(grant.role)
            days = self._row.thresholds.of(role.review if role is not None else "")
            days = self._row.lock_days if self._row.judges == "accounts" else days
            held = of_grant(self._in.bundle, grant)
            yield _Case(grant, person, held, self._evidence(held, used.get(grant.grant_id, ())), days)

    def _judge(self, cases: Sequence[_Case], coverage: Coverage) -> None:
        if self._row.judges == "accounts":
            self._judge_accounts(cases, coverage)
            return
        table = rules.USE if self._row.judges == "use" else rules.HOLDERS
        covered_from = coverage.from_when(self._in.cutoff)
        for case in cases:
            case.facts = self._facts(case, covered_from)
            case.rule = rules.judge(case.facts, table)
        if self._row.judges == "use":
            self._find_redundant(cases)

    def _facts(self, case: _Case, covered_from: int) -> Facts:
        grant, inputs = case.grant, self._in
        pauses = inputs.pauses.get(grant.grant_id, ())
        since = self._back(case.threshold_days, pauses)
        case.used = frozenset([use.permission for use in case.evidence.used if use.last_at >= since])
        young_from = self._back(self._row.min_age_permission_days, pauses)
        added, of = inputs.added, (grant.role, grant.purpose)
        young = frozenset([each for each in case.held if added.get((*of, each), 0) > young_from]) if added else frozenset()
        return Facts(
            starts_at=grant.starts_at,
            aged_from=self._back(self._row.min_age_role_days, pauses),
            since=since,
            covered_from=covered_from,
            used=case.used,
            young=young,
            left=self._left(case, case.used | young),
            excepted=grant.grant_id in inputs.exceptions,
            suspended=bool(grant.suspended),
            privileged=self._is_privileged(grant),
        )

    def _last_at(self, use: PermissionUse) -> int:
        """Return when a permission was last used before the cutoff: exactly, or as the end of that day; 0: it was not."""
        cutoff = self._in.cutoff
        if use.last_at < cutoff:
            return use.last_at
        if use.first_at >= cutoff:
            return 0
        base = self._days.of(use.first_at)
        day = last_of(before(use.days, base, self._cutoff_day + 1), base)
        return min(self._days.begin(day + 1), cutoff) - 1

    def _left(self, case: _Case, needed: frozenset[Permission]) -> Scope | None:
        """Return the smallest scope that leaves what is needed; None where that takes nothing away."""
        if not needed:
            return None
        scope = smallest_scope(needed)
        case.stays = within(self._in.bundle, case.held, scope)
        return scope if len(case.stays) < len(case.held) else None

    def _find_redundant(self, cases: Sequence[_Case]) -> None:
        """Let go of what others of the same account and purpose make needless."""
        groups: dict[tuple[str, str, str], list[_Case]] = defaultdict(list)
        for case in cases:
            groups[*case.grant.employee, case.grant.purpose].append(case)
        for group in groups.values():
            if len(group) < 2:
                continue
            judged = [case for case in group if case.rule in (rules.PARTLY_USED, rules.IN_USE)]
            staying = [case for case in group if case.rule.name in rules.COVERING and not case.grant.suspended]
            gone = rules.redundant(map(_candidate, judged), map(_candidate, staying))
            for case in judged:
                if case.grant.grant_id in gone:
                    self._decide_again(case, redundant=True)

    def _decide_again(self, case: _Case, *, redundant: bool = False, needed: bool = False) -> None:
        assert case.facts is not None
        case.facts = case.facts._replace(redundant=redundant, needed=needed)
        case.rule = rules.judge(case.facts)

    def _judge_accounts(self, cases: Sequence[_Case], coverage: Coverage) -> None:
        inputs, row, covered_from = self._in, self._row, coverage.from_when(self._in.cutoff)
        held = {account: inputs.holdings.of(account) for account in {case.grant.employee for case in cases}}
        ids = [grant.grant_id for grants in held.values() for grant in grants]
        used = {grant_id: max(map(self._last_at, uses)) for grant_id, uses in self._looked_up(ids)}
        for case in cases:
            its = held[case.grant.employee]
            pauses = tuple({pause for grant in its for pause in inputs.pauses.get(grant.grant_id, ())})
            facts = Account(
                last_at=max(max(used.get(grant.grant_id, 0), grant.starts_at) for grant in its),
                lock_from=self._back(row.lock_days, pauses),
                remove_from=self._back(row.remove_days, pauses),
                covered_from=covered_from,
                excepted=case.grant.grant_id in inputs.exceptions,
                suspended=bool(case.grant.suspended),
                privileged=self._is_privileged(case.grant),
            )
            case.rule = rules.judge_account(facts)

    def _looked_up(self, ids: Sequence[str]) -> Iterator[tuple[str, tuple[PermissionUse, ...]]]:
        for at in range(0, len(ids), _PIECE):
            yield from self._in.usage.of(ids[at : at + _PIECE]).items()

    def _back(self, count: int, pauses: tuple[Pause, ...]) -> int:
        """Return the beginning of the day `count` days before that of the cutoff."""
        known = self._backs.get(count) if not pauses else None
        if known is None:
            known = back(self._days, self._in.cutoff, count, pauses)
            if not pauses:
                self._backs[count] = known
        return known

    def _replay(self, cases: Sequence[_Case], window_start: int) -> Replay:
        """Put the reads of those concerned to the proposed state, and keep what they need, until nothing is denied."""
        inputs = self._in
        touched = {case.grant.employee for case in cases if case.rule.verdict in ("reduce", "revoke")}
        exempt = frozenset(name for name, tool in inputs.bundle.tools.items() if tool.confirm == "exempt")
        employees = frozenset((each.issuer, each.subject) for each in touched)
        groups = grouped(inputs.bundle, inputs.recorded, window_start, inputs.cutoff, lambda tool: tool in exempt, employees)
        asked = sum(group.uses for group in groups)
        by_id = {case.grant.grant_id: case for case in cases}
        people = {account: person for person in inputs.holdings.people() for account in person.accounts if account in touched}
        held = [grant for account in people for grant in inputs.holdings.of(account) if grant.active(inputs.now)]
        persons = {person.person_id: person for person in people.values()}.values()
        present = timeless(inputs.bundle, held, persons)
        denied: list[Group] = []
        for _ in range(_ROUNDS):
            after = timeless(inputs.bundle, _proposed(held, by_id), persons)
            denied = list(newly_denied(present, after, groups))
            if not denied:
                break
            self._keep_needed(denied, by_id, present)
        return Replay(asked, tuple(sorted(group.decision_id for group in denied)))

    def _keep_needed(self, denied: Iterable[Group], by_id: Mapping[str, _Case], present: Snapshot) -> None:
        """Keep each grant, of those that a plan takes something of, that a denied question may have needed: the account's for its purpose."""
        for group in denied:
            request = group.request()
            for grant in present.grants.of(request.employee):
                case = by_id.get(grant.grant_id)
                if case is not None and grant.purpose == request.purpose and case.rule.verdict in ("reduce", "revoke"):
                    self._decide_again(case, needed=True)

    def _item(self, number: int, case: _Case) -> PlannedItem:
        grant, rule = case.grant, case.rule
        scope = case.facts.left if case.facts is not None and rule.verdict == "reduce" else None
        stays = frozenset(case.stays) if rule.verdict == "reduce" else frozenset()
        gone = [each for each in case.held if each not in stays] if rule.verdict != "keep" else []
        classes = frozenset().union(*map(self._classes_of, {each.object for each in gone}))
        return PlannedItem(
            number=number,
            grant_id=grant.grant_id,
            grant_digest=grant_digest(grant),
            employee=grant.employee,
            person_id=case.person.person_id,
            role=grant.role,
            purpose=grant.purpose,
            verdict=rule.verdict,
            rule=rule.name,
            evidence=case.evidence,
            threshold_days=case.threshold_days,
            scope=scope,
            data_class=rules.sensitive_first(classes, self._defaults),
        )

    def _classes_of(self, obj: str) -> tuple[str, ...]:
        known = self._classes.get(obj)
        if known is None:
            known = self._classes[obj] = classes_of(self._in.bundle, obj)
        return known

    def _evidence(self, held: Held, uses: Sequence[PermissionUse]) -> Evidence:
        """Return what is known of the use of what a grant allows, before the cutoff."""
        if self._known[0] is not held:
            self._known = (held, frozenset(held))
        used, known = [], self._known[1]
        for use in uses:
            last_at = self._last_at(use)
            if last_at and use.permission in known:
                base = self._days.of(use.first_at)
                days = before(use.days, base, self._cutoff_day + 1).bit_count()
                used.append(Use(use.permission, use.first_at, last_at, use.uses, days, use.members))
        if not used:
            return Evidence((), held)
        were = {use.permission for use in used}
        unused = tuple([each for each in held if each not in were])
        return Evidence(tuple(used), self._kept.setdefault(unused, unused))


def _candidate(case: _Case) -> Candidate:
    return Candidate(case.grant.grant_id, case.used, case.grant.ends_at, len(case.held))


def _proposed(held: Iterable[Grant], by_id: Mapping[str, _Case]) -> Iterator[Grant]:
    """Yield the grants as a plan would leave them."""
    for grant in held:
        case = by_id.get(grant.grant_id)
        verdict = case.rule.verdict if case is not None else "keep"
        if verdict == "reduce":
            assert case is not None
            assert case.facts is not None
            yield replace(grant, scope=case.facts.left)
        elif verdict != "revoke":
            yield grant
