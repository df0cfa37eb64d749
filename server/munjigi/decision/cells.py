"""What the rules of one role say on one column: found once per bundle, combined at each decision.

A cell is `(held role, target, action, purpose)` and keeps the rules that can match, in file order;
where none of them has a condition it keeps the outcome itself. The effect is Casbin's
`some(allow) && !some(deny)`; among allowing rules the most revealing mask wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from munjigi.decision.reasons import GRANTED, NO_RULE, RULE_DENIES
from munjigi.decision.types import Effect
from munjigi.kernel.grant import Grant
from munjigi.policy.signin import SignInDemand
from munjigi.policy.types import ANY, CLASS_PREFIX, CLEAR, PolicyBundle, Rule

NOTHING: Final = 0
ALLOWS: Final = 1
DENIES: Final = 2
_CLEAR_RANK: Final = 1 << 62  # `clear` reveals most, whatever the catalog's masks are


class Outcome(NamedTuple):
    """What one role (or several, combined) answers on one column.

    `rank` orders masks from least to most revealing; `order` is the deciding rule's place in its file;
    `head` opens the field's decision: name, effect, mask, reason, `file:line`; `path` runs from the held
    role to the rule's.
    """

    kind: int
    rank: int
    order: tuple[str, int]
    head: tuple[str, Effect, str, str, str]
    path: tuple[str, ...]


Head = tuple[str, Effect, str, str, str]
Shown = tuple[Head, tuple[str, ...], tuple[str, ...]]  # what an ALLOW says of a field: head, path and classes


class Candidate(NamedTuple):
    """A rule that matches but for its condition, and what it makes of the column if it does."""

    rule: Rule
    outcome: Outcome


class Cell:
    """One column as one held role sees it. `fixed` is None when the outcome hangs on conditions.

    `shown` is what an ALLOW says of the column; None unless it is allowed whoever asks, and when.
    """

    __slots__ = ("_nothing", "candidates", "classes", "demands", "fixed", "name", "objects", "shown", "target")

    def __init__(self, bundle: PolicyBundle, name: str, target: str, candidates: tuple[Candidate, ...]) -> None:
        self.name = name
        self.target = target
        self.classes = bundle.classes.get(target, ())
        self.objects = bundle.objects[target]
        self.demands = demands_on(bundle, target)
        self.candidates = candidates
        self._nothing = Outcome(NOTHING, -1, ("", 0), (name, Effect.DENIED, "", NO_RULE, ""), ())
        conditional = any(each.rule.condition is not None for each in candidates)
        self.fixed = None if conditional else self.outcome(_always)
        self.shown = self.shown_by(self.fixed) if self.fixed and not self.demands else None

    def outcome(self, holds: Callable[[Rule, str], bool]) -> Outcome:
        """Combine the candidates; `holds` is asked about each rule that has a condition, and gets the target."""
        best = self._nothing
        for rule, outcome in self.candidates:
            if rule.condition is None or holds(rule, self.target):
                if outcome.kind == DENIES:
                    return outcome
                if outcome.rank > best.rank:
                    best = outcome
        return best

    def shown_by(self, outcome: Outcome) -> Shown | None:
        """Return what an outcome shows of the column; None when it does not allow it."""
        return (outcome.head, outcome.path, self.classes) if outcome.kind == ALLOWS else None


def _always(_: Rule, __: str) -> bool:
    return True


class Verdict(NamedTuple):
    """What several grants say together. `by` is the deciding grant; `grants` all that alone give an allow's effect and mask."""

    outcome: Outcome
    by: Grant
    grants: tuple[str, ...]


def combine(given: list[tuple[Grant, Outcome]]) -> Verdict | None:
    """Combine the outcomes of the grants that cover one field. None when no rule says anything."""
    denying = [each for each in given if each[1].kind == DENIES]
    if denying:
        by, outcome = min(denying, key=lambda each: each[1].order)
        return Verdict(outcome, by, ())
    allowing = [each for each in given if each[1].kind == ALLOWS]
    if not allowing:
        return None
    by, outcome = min(allowing, key=lambda each: (-each[1].rank, each[1].order))
    # Effect and mask must be the same: two masks may reveal equally much and still differ.
    return Verdict(outcome, by, tuple(grant.grant_id for grant, its in allowing if its.head[1:3] == outcome.head[1:3]))


def covers(grant: Grant, cell: Cell, action: str) -> bool:
    """Tell whether the grant's scope, if any, covers the cell's column and the action."""
    scope = grant.scope
    if scope is None:
        return True
    if scope.actions and action not in scope.actions:
        return False
    return not scope.objects or any(obj in scope.objects for obj in cell.objects)


def demands_on(bundle: PolicyBundle, target: str) -> tuple[SignInDemand, ...]:
    """Return what the classes of a column, or the class that is asked for itself, want of the sign-in."""
    asking = bundle.catalog.sign_in
    if not asking:
        return ()
    classes = (target.removeprefix(CLASS_PREFIX),) if target.startswith(CLASS_PREFIX) else bundle.classes.get(target, ())
    return tuple(asking[each] for each in classes if each in asking)


def matching(bundle: PolicyBundle, target: str, action: str, purpose: str) -> Iterable[Mapping[str, tuple[Rule, ...]]]:
    """Iterate over the index's buckets (role -> rules) that apply to a target, an action and a purpose."""
    for obj in bundle.objects.get(target, ()):
        for act in (action, ANY):
            for why in (purpose, ANY):
                bucket = bundle.index.get((obj, act, why))
                if bucket:
                    yield bucket


def mask_rank(bundle: PolicyBundle, rule: Rule) -> int:
    """Return how much a rule's mask reveals; less than 0 when the catalog does not know it."""
    return _CLEAR_RANK if rule.mask == CLEAR else bundle.catalog.mask_rank.get(rule.mask, -1)


def candidates(bundle: PolicyBundle, role: str, name: str, target: str, action: str, purpose: str) -> tuple[Candidate, ...]:
    """Return the rules that a holder of `role` can match, denying ones first, each kind in file order.

    `name` is what the field is called in answers. An allowing rule whose mask the catalog does not know
    matches nothing (promise P3).
    """
    reached = bundle.closure.get(role, ())
    found: list[Candidate] = []
    for bucket in matching(bundle, target, action, purpose):
        for way in reached:
            for rule in bucket.get(way.role, ()):
                rank = mask_rank(bundle, rule)
                order = (rule.file, rule.line)
                if not rule.allow:
                    head = (name, Effect.DENIED, "", RULE_DENIES, rule.ref)
                    found.append(Candidate(rule, Outcome(DENIES, rank, order, head, way.path)))
                elif rank >= 0:
                    shown = (Effect.CLEAR, "") if rule.mask == CLEAR else (Effect.MASKED, rule.mask)
                    found.append(Candidate(rule, Outcome(ALLOWS, rank, order, (name, *shown, GRANTED, rule.ref), way.path)))
    return tuple(sorted(found, key=lambda each: (each.rule.allow, each.outcome.order)))
