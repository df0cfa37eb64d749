"""Turn the question round: of all employees, who would get an ALLOW? Exactly those, by the core's own cells.

Candidates come from indexes (rules of the columns -> roles that reach them -> accounts that hold these roles), in the
order of accounts; each is then answered by what `decide` answers with. A case id and members are taken as right.
Conditions are looked at where the account, the tool and the time settle them; where the address or the number of
members does, or the sign-in, the answer is marked as conditional.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

from munjigi.decision import reasons
from munjigi.decision.asker import Asker
from munjigi.decision.cells import mask_rank, matching
from munjigi.decision.core import Linked, answer_fields
from munjigi.decision.frames import Frame, Ground, Memory
from munjigi.decision.helptext import help_text
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Request
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.conditions import ConditionError, read
from munjigi.policy.signin import SessionLimit, SignInDemand
from munjigi.policy.types import PolicyBundle, Rule

# Accounts that are looked at for one page: what bounds its cost when nearly all candidates drop out.
MOST_LOOKED_AT: Final = 5_000
_MOST_KEPT: Final = 1_024  # columns with action and purpose whose roles a bundle keeps
_MEMO_KEY: Final = "who can"
# What the account, the tool, the time and the question settle. Whatever else a condition reads leaves it open.
_SETTLED: Final = frozenset(
    (
        *("r.sub", "r.obj", "r.act", "r.purpose", "r.ctx.principal_type", "r.ctx.department", "r.ctx.tool", "r.ctx.device"),
        *("r.ctx.pledge", "r.ctx.training", "r.ctx.intent", "r.ctx.hour", "r.ctx.weekday", "r.ctx.holiday"),
    )
)


class Question(NamedTuple):
    """What is to be done, through which tool. `fields` empty means all columns; `partial`: one allowed field is enough."""

    tool: str
    resource: str
    fields: tuple[str, ...]
    action: str
    purpose: str
    partial: bool = False


class Holder(NamedTuple):
    """Someone who gets an ALLOW, and the ALLOW. `conditional`: the address, the number of members or the sign-in may change it."""

    employee: EmployeeKey
    person: Person | None
    decision: Decision
    conditional: bool


class Holders(NamedTuple):
    """A page in the order of accounts. `last` is where the next one begins; None on the last page.

    `reason` and `help` say why nobody can, whoever asks; empty when that depends on who does.
    """

    holders: tuple[Holder, ...]
    last: EmployeeKey | None
    reason: str
    help: str


def who_can(snapshot: Snapshot, question: Question, now: int, after: EmployeeKey | None, limit: int) -> Holders:
    """Return at most `limit` employees behind `after` who may do this at `now` (UTC nanoseconds).

    A page may be shorter than `limit`, even empty, and not be the last one.
    """
    bundle = snapshot.bundle
    frame = Memory.of(bundle).frame(question.tool, question.resource, question.action, question.purpose)
    ground = frame.ground
    if frame.reason or ground is None:
        return Holders((), None, frame.reason, help_text(bundle, frame.reason, frame, ""))
    names = question.fields or ground.columns
    unknown = not set(names) <= set(ground.targets) or (ground.whole and question.fields)
    if unknown and (ground.whole or not question.partial):
        return Holders((), None, reasons.FIELD_UNKNOWN, help_text(bundle, reasons.FIELD_UNKNOWN, frame, ""))
    found: list[Holder] = []
    for looked, employee in enumerate(_candidates(snapshot, ground, names, after, partial=question.partial)):
        if len(found) == limit or looked == MOST_LOOKED_AT:
            return Holders(tuple(found), after, "", "")
        after = employee
        holder = _answer(snapshot, frame, ground, question, employee, now)
        if holder is not None:
            found.append(holder)
    return Holders(tuple(found), None, "", "")


class _Supposing(Asker):
    """An asker for whom every open condition goes well (`hopeful`), or goes badly."""

    __slots__ = ("hopeful", "supposed")

    def __init__(self, snapshot: Snapshot, request: Request, now: int, *, hopeful: bool) -> None:
        super().__init__(snapshot, request, now)
        self.hopeful = hopeful
        self.supposed = False

    def holds(self, rule: Rule, target: str) -> bool:
        """Tell whether a condition holds, or suppose it."""
        if settled(rule):
            return super().holds(rule, target)
        self.supposed = True
        return rule.allow is self.hopeful

    def beyond(self, limit: SessionLimit | None) -> str:
        """Suppose that the session is within its limits."""
        if limit is None:
            return ""
        self.supposed = True
        return "" if self.hopeful else reasons.SESSION_TOO_OLD

    def signed_in(self, demands: tuple[SignInDemand, ...]) -> bool:
        """Suppose that the sign-in is what the column's classes want."""
        if not demands:
            return True
        self.supposed = True
        return self.hopeful

    def undecided(self, rule: Rule, target: str) -> str:
        """Name what a condition lacks; one that is supposed lacks nothing."""
        return super().undecided(rule, target) if settled(rule) else ""


def settled(rule: Rule) -> bool:
    """Tell whether account, tool, time and question decide the rule's condition."""
    return rule.condition is None or _settled(rule.cond)


@lru_cache(maxsize=4096)
def _settled(cond: str) -> bool:
    try:
        reads = read(cond).reads
    except ConditionError:
        return False
    return bool(reads) and reads <= _SETTLED


def _answer(
    snapshot: Snapshot, frame: Frame, ground: Ground, question: Question, employee: EmployeeKey, now: int
) -> Holder | None:
    if snapshot.grants.blocks and snapshot.grants.blocked(employee, question.tool):
        return None
    request = Request(employee, question.tool, question.resource, question.fields, question.action, question.purpose, subjects=1)
    best = _Supposing(snapshot, request, now, hopeful=True)
    linked, waiting = _held(ground, question, best)
    if not linked and not waiting:
        return None
    decision = answer_fields(frame, ground, linked, waiting, best, partial=question.partial)
    if not decision.allow:
        return None
    conditional = False
    if best.supposed:
        worst = _Supposing(snapshot, request, now, hopeful=False)
        conditional = answer_fields(frame, ground, *_held(ground, question, worst), worst, partial=question.partial) != decision
    return Holder(employee, best.person, decision, conditional)


def _held(ground: Ground, question: Question, asker: Asker) -> tuple[Linked, Linked]:
    """Return the grants that count, and those whose role lacks something."""
    linked: Linked = ()
    waiting: Linked = ()
    for grant in asker.snapshot.grants.of(asker.request.employee):
        if grant.purpose == question.purpose and grant.active(asker.now):
            sheet = ground.sheet(grant.role)
            if asker.short_of(sheet):
                waiting += ((grant, sheet),)
            else:
                linked += ((grant, sheet),)
    return linked, waiting


def _candidates(
    snapshot: Snapshot, ground: Ground, names: tuple[str, ...], after: EmployeeKey | None, *, partial: bool
) -> Iterator[EmployeeKey]:
    """Iterate in order over the accounts behind `after` that hold what one of the columns needs (all need: the rarest)."""
    table, inverse = snapshot.grants, _Inverse.of(snapshot.bundle)
    needed = [inverse.roles(ground, name) for name in names if name in ground.targets]
    if partial:
        needed = [tuple(dict.fromkeys(chain.from_iterable(needed)))]
    held = [[table.holders(role, ground.purpose) for role in roles] for roles in needed]
    streams = min(held, key=lambda each: sum(map(len, each)), default=[])
    before = after
    for employee in heapq.merge(*(keys.since(after) for keys in streams)):
        if employee != before:
            before = employee
            yield employee


class _Inverse:
    """A bundle turned round: which roles' holders may be allowed a column. Threads may share it."""

    def __init__(self, bundle: PolicyBundle) -> None:
        self._bundle = bundle
        self._above: dict[str, list[str]] = {}
        self._roles: dict[tuple[str, str, str], tuple[str, ...]] = {}
        for role, reached in bundle.closure.items():
            for way in reached:
                self._above.setdefault(way.role, []).append(role)

    @classmethod
    def of(cls, bundle: PolicyBundle) -> _Inverse:
        """Return the one that lives in the bundle's memo."""
        inverse = bundle.memo.get(_MEMO_KEY)
        if not isinstance(inverse, _Inverse):
            inverse = bundle.memo[_MEMO_KEY] = _Inverse(bundle)
        return inverse

    def roles(self, ground: Ground, name: str) -> tuple[str, ...]:
        """Return the roles whose holders may be allowed a known column, unless a condition is in the way."""
        target = ground.targets[name]
        key = (target, ground.action, ground.purpose)
        roles = self._roles.get(key)
        if roles is None:
            allowed: dict[str, None] = {}
            denied: set[str] = set()
            for bucket in matching(self._bundle, *key):
                for sub, rules in bucket.items():
                    above = self._above.get(sub, ())
                    for rule in rules:
                        if not rule.allow:
                            denied.update(above if rule.condition is None else ())
                        elif mask_rank(self._bundle, rule) >= 0:
                            allowed.update(dict.fromkeys(above))
            roles = tuple(role for role in allowed if role not in denied)
            if len(self._roles) >= _MOST_KEPT:
                self._roles.clear()
            self._roles[key] = roles
        return roles
