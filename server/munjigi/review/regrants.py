"""A policy that gives back what a review took, past any approval, is found before it decides (rule R19).

Grants lie in the store, where marks guard them. What files can do is to let a role that somebody still holds allow what another
role allowed that a review took from the same person for the same purpose: by new rules, by less of a mask, or by a
link from role to role.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from munjigi.grants.book import Holdings
from munjigi.grants.lifecycle import state_of
from munjigi.kernel.grant import Grant
from munjigi.kernel.review import Mark, Permission
from munjigi.policy.types import ANY, DATA_ACTIONS, OWN_ACTIONS, PolicyBundle, Problem, Rule

_OVER: Final = ("expired", "revoked")


class Regrant(NamedTuple):
    """A new policy would give a person what a review took, through a grant of another role. `rule` is one of those that would."""

    mark: Mark
    grant_id: str
    role: str
    permissions: tuple[Permission, ...]
    rule: Rule


def regrants(before: PolicyBundle, after: PolicyBundle, holdings: Holdings, marks: Iterable[Mark], now: int) -> Iterator[Regrant]:
    """Yield what policy `after` would give back that `before`, which decides, doesn't. Marks that an approval lifted don't count."""
    reaches = _Reaches(before, after)
    for mark in marks:
        person = holdings.person_of(mark.person_id)
        if mark.lifted_at or person is None:
            continue
        for account in person.accounts:
            for grant in holdings.of(account):
                if grant.purpose != mark.purpose or state_of(grant, now) in _OVER:
                    continue
                found = reaches.gained(grant.role, mark.role, mark.purpose)
                found = {each: rule for each, rule in found.items() if _within(after, grant, each)}
                if found:
                    yield Regrant(mark, grant.grant_id, grant.role, tuple(sorted(found)), found[min(found)])


def problems_of(found: Iterable[Regrant], most: int = 20) -> tuple[Problem, ...]:
    """Return what the security team reads: a problem a rule, at the rule's place, of at most so many."""
    told: dict[tuple[str, int], Problem] = {}
    for each in found:
        place = (each.rule.file, each.rule.line)
        if place not in told and len(told) < most:
            told[place] = Problem(
                *place,
                1,
                "error",
                "REGRANT_WITHOUT_APPROVAL",
                f"Through role `{each.role}` this gives {each.permissions[0].action} on `{each.permissions[0].object}` for purpose "
                f"`{each.mark.purpose}` back to somebody from whom review {each.mark.review_id} took it. `munjigi review patch "
                f"{each.mark.review_id}` writes the change that takes it out; or let them ask for `{each.mark.role}` anew: an approval lifts the "
                "review's mark.",
            )
    return tuple(told.values())


class _Reaches:
    """What roles allow before and after, each role and purpose once."""

    def __init__(self, before: PolicyBundle, after: PolicyBundle) -> None:
        self._before, self._after = before, after
        self._known: dict[tuple[bool, str, str], dict[Permission, Rule]] = {}
        self._gained: dict[tuple[str, str, str], dict[Permission, Rule]] = {}

    def gained(self, held: str, taken: str, purpose: str) -> dict[Permission, Rule]:
        """Return what a held role allows anew of what the taken role allows now, with a rule that does."""
        key = (held, taken, purpose)
        if key not in self._gained:
            new, old = self._of(held, purpose, after=True), self._of(held, purpose, after=False)
            lost = self._of(taken, purpose, after=False)
            self._gained[key] = {
                each: rule
                for each, rule in new.items()
                if each in lost and self._shows(rule) > self._shows(old.get(each)) < self._shows(lost[each])
            }
        return self._gained[key]

    def _allowed(self, bundle: PolicyBundle, role: str, purpose: str) -> dict[Permission, Rule]:
        """Return what a role's rules may allow, whatever their conditions say, by target and action, with the rule that shows most."""
        subs = {way.role for way in bundle.closure.get(role, ())}
        cells: dict[tuple[str, str], Rule] = {}
        for (obj, act, allowed), by_role in bundle.index.items():
            if allowed not in (purpose, ANY):
                continue
            for rule in (rule for sub in subs & by_role.keys() for rule in by_role[sub] if rule.allow):
                for each in (*DATA_ACTIONS, *OWN_ACTIONS) if act == ANY else (act,):
                    cells[obj, each] = max(cells.get((obj, each), rule), rule, key=self._shows)
        actions = dict.fromkeys(act for _, act in cells)
        found: dict[Permission, Rule] = {}
        for target, objects in bundle.objects.items():
            for act in actions:
                rules = [cells[obj, act] for obj in objects if (obj, act) in cells]
                if rules:
                    found[Permission(target, act)] = max(rules, key=self._shows)
        return found

    def _shows(self, rule: Rule | None) -> int:
        """Return how much a rule shows: nothing is less than any mask."""
        return -1 if rule is None else self._after.catalog.mask_rank.get(rule.mask, 0)

    def _of(self, role: str, purpose: str, *, after: bool) -> dict[Permission, Rule]:
        key = (after, role, purpose)
        if key not in self._known:
            self._known[key] = self._allowed(self._after if after else self._before, role, purpose)
        return self._known[key]


def _within(bundle: PolicyBundle, grant: Grant, permission: Permission) -> bool:
    """Tell whether a grant's scope leaves a permission in it."""
    if grant.scope is None:
        return True
    objects, actions = grant.scope
    covered = not objects or any(each in objects for each in bundle.objects.get(permission.object, ()))
    return covered and (not actions or permission.action in actions)
