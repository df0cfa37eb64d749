"""List what an employee may do now, through one tool: exactly what `decide` would allow, by the same cells.

What a request brings along is taken as right: a case id, members, and for a conditional permission the
place, time, device and sign-in that its rules, class and role want.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

from munjigi.decision.asker import Asker
from munjigi.decision.cells import ALLOWS, Cell, Verdict, combine, covers
from munjigi.decision.frames import Memory, actions_on
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Effect, Request
from munjigi.kernel.grant import Grant
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.types import ANY, PolicyBundle, Rule

_MEMO_KEY: Final = "reach"


class Permission(NamedTuple):
    """One thing that may be done. `grants` are all that alone give it; `conditional`: place, time, device or sign-in may change it."""

    object: str
    action: str
    purpose: str
    effect: Effect
    mask: str
    rule: str
    grants: tuple[str, ...]
    conditional: bool


class _Reach(NamedTuple):
    """A bundle turned round: rules by role, and the (resource, field) pairs that a rule's object stands for."""

    rules: dict[str, list[Rule]]
    places: dict[str, list[tuple[str, str]]]


def what_can(snapshot: Snapshot, employee: EmployeeKey, tool: str, now: int, purpose: str = "") -> list[Permission]:
    """Return the permissions ordered by object, action and purpose. `now` is UTC nanoseconds; an empty purpose means all."""
    bundle, table = snapshot
    asking = bundle.tools.get(tool)
    if asking is None or (table.blocks and table.blocked(employee, tool)):
        return []
    by_purpose: dict[str, list[Grant]] = defaultdict(list)
    for grant in table.of(employee):
        if grant.active(now) and purpose in ("", grant.purpose):
            by_purpose[grant.purpose].append(grant)
    found: list[Permission] = []
    for why, grants in by_purpose.items():
        if why not in bundle.purposes or asking.purposes.isdisjoint((why, ANY)):
            continue
        asker = Asker(snapshot, Request(employee, tool, "", (), "", why), now)
        linked = [grant for grant in grants if asker.meets(_requires(bundle, grant.role))]
        for resource, name, action in _questions(bundle, linked, why):
            if not asking.actions.isdisjoint((action, ANY)):
                permission = _permission(bundle, linked, resource, name, action, why)
                if permission is not None:
                    found.append(permission)
    return sorted(found, key=lambda each: (each.object, each.action, each.purpose))


def _requires(bundle: PolicyBundle, role: str) -> tuple[str, ...]:
    known = bundle.roles.get(role)
    return known.requires if known else ()


def _questions(bundle: PolicyBundle, grants: list[Grant], purpose: str) -> set[tuple[str, str, str]]:
    """Return each (resource, field, action) that an allowing rule of the grants' roles touches."""
    reach = _reach(bundle)
    asked: set[tuple[str, str, str]] = set()
    roles = {way.role for grant in grants for way in bundle.closure.get(grant.role, ())}
    for role in roles:
        for rule in reach.rules.get(role, ()):
            if rule.allow and rule.purpose in (purpose, ANY):
                for place in reach.places.get(rule.obj, ()):
                    asked.update((*place, action) for action in actions_on(place[0]) if rule.act in (action, ANY))
    return asked


def _permission(
    bundle: PolicyBundle, linked: list[Grant], resource: str, name: str, action: str, purpose: str
) -> Permission | None:
    ground = Memory.of(bundle).ground(resource, action, purpose)
    if ground is None:
        return None
    cells: list[tuple[Grant, Cell]] = []
    for grant in linked:
        cell = ground.sheet(grant.role).cell(name)
        if cell is not None and covers(grant, cell, action):
            cells.append((grant, cell))
    best = _together(cells, hopeful=True)
    if best is None or best.outcome.kind != ALLOWS:
        return None
    worst = _together(cells, hopeful=False)
    conditional = worst is None or worst.outcome.head != best.outcome.head or worst.grants != best.grants
    conditional = conditional or _asks_sign_in(bundle, cells)
    _, effect, mask, _, rule = best.outcome.head
    return Permission(cells[0][1].target, action, purpose, effect, mask, rule, best.grants, conditional)


def _asks_sign_in(bundle: PolicyBundle, cells: list[tuple[Grant, Cell]]) -> bool:
    if any(cell.demands for _, cell in cells):
        return True
    roles = (bundle.roles.get(grant.role) for grant, _ in cells)
    return any(role is not None and role.session is not None for role in roles)


def _together(cells: list[tuple[Grant, Cell]], *, hopeful: bool) -> Verdict | None:
    """Combine with every condition going the employee's way, or every one against them."""

    def holds(rule: Rule, _: str) -> bool:
        return rule.allow is hopeful

    return combine([(grant, cell.outcome(holds)) for grant, cell in cells])


def _reach(bundle: PolicyBundle) -> _Reach:
    reach = bundle.memo.get(_MEMO_KEY)
    if isinstance(reach, _Reach):
        return reach
    rules: dict[str, list[Rule]] = defaultdict(list)
    for rule in bundle.rules:
        rules[rule.sub].append(rule)
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    columns = {
        f"{table.name}.{column}": (table.name, column) for table in bundle.catalog.tables.values() for column in table.columns
    }
    for target, objects in bundle.objects.items():
        for obj in objects:
            places[obj].append(columns.get(target, (target, target)))
    reach = _Reach(dict(rules), dict(places))
    bundle.memo[_MEMO_KEY] = reach
    return reach
