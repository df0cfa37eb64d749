"""What a grant allows: the permissions of its role for its purpose, within its scope, with every condition going the holder's way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from munjigi.decision.cells import ALLOWS
from munjigi.decision.frames import Memory, actions_on
from munjigi.kernel.grant import Grant, Scope
from munjigi.kernel.review import Permission
from munjigi.policy.types import ANY, CLASS_PREFIX, OWN_RESOURCES, PolicyBundle, Rule

_MEMO_KEY: Final = "held"

Held = tuple[Permission, ...]
"""Permissions in order."""


def held_by(bundle: PolicyBundle, role: str, purpose: str) -> Held:
    """Return what a role allows for a purpose, Munjigi's own resources aside; nothing of a role or purpose that is not known."""
    memo: dict[tuple[Any, ...], Held] = bundle.memo.setdefault(_MEMO_KEY, {})
    key = (role, purpose)
    if key not in memo:
        memo[key] = _held(bundle, role, purpose) if role in bundle.closure and purpose in bundle.purposes else ()
    return memo[key]


def of_grant(bundle: PolicyBundle, grant: Grant) -> Held:
    """Return what a grant allows."""
    held = held_by(bundle, grant.role, grant.purpose)
    return within(bundle, held, grant.scope) if grant.scope is not None else held


def within(bundle: PolicyBundle, held: Held, scope: Scope) -> Held:
    """Return those permissions that a scope covers, as decisions take it."""
    objects, actions = frozenset(scope.objects), frozenset(scope.actions)
    if objects and all(_is_column(each) for each in objects):  # what it names, and nothing else
        return tuple([each for each in held if each.object in objects and (not actions or each.action in actions)])
    covered = bundle.objects
    return tuple(
        [
            each
            for each in held
            if (not actions or each.action in actions) and (not objects or not objects.isdisjoint(covered.get(each.object, ())))
        ]
    )


def _is_column(obj: str) -> bool:
    return not obj.startswith(CLASS_PREFIX) and not obj.endswith("*")


def smallest_scope(permissions: Iterable[Permission]) -> Scope:
    """Return the smallest scope that covers permissions: their objects and their actions, each in order."""
    objects = sorted({each.object for each in permissions})
    actions = sorted({each.action for each in permissions})
    return Scope(tuple(objects), tuple(actions))


def classes_of(bundle: PolicyBundle, obj: str) -> tuple[str, ...]:
    """Return the data classes of the object of a permission."""
    if obj.startswith(CLASS_PREFIX):
        return (obj.removeprefix(CLASS_PREFIX),)
    return bundle.classes.get(obj, ())


def privileged_roles(bundle: PolicyBundle) -> frozenset[str]:
    """Return the roles that allow something on Munjigi itself: whoever has one administers access (REVIEW R10)."""
    memo: dict[Any, Any] = bundle.memo.setdefault(_MEMO_KEY, {})
    if "privileged" not in memo:
        objects = {each for resource in OWN_RESOURCES for each in bundle.objects.get(resource, ())}
        allowing = {rule.sub for rule in bundle.rules if rule.allow and rule.obj in objects}
        memo["privileged"] = frozenset(
            role for role, reached in bundle.closure.items() if any(way.role in allowing for way in reached)
        )
    found: frozenset[str] = memo["privileged"]
    return found


def _held(bundle: PolicyBundle, role: str, purpose: str) -> Held:
    found: set[Permission] = set()
    memory = Memory.of(bundle)
    for resource, name, action in _touched(bundle, role, purpose):
        ground = memory.ground(resource, action, purpose)
        cell = ground.sheet(role).cell(name) if ground is not None else None
        if cell is not None and cell.outcome(_hopeful).kind == ALLOWS:
            found.add(Permission(cell.target, action))
    return tuple(sorted(found))


def _touched(bundle: PolicyBundle, role: str, purpose: str) -> set[tuple[str, str, str]]:
    """Return each (resource, field, action) of member data that an allowing rule of a role touches."""
    places = _places(bundle)
    rules = _rules(bundle)
    touched: set[tuple[str, str, str]] = set()
    for way in bundle.closure[role]:
        for rule in rules.get(way.role, ()):
            if rule.purpose in (purpose, ANY):
                for resource, name in places.get(rule.obj, ()):
                    touched.update((resource, name, action) for action in actions_on(resource) if rule.act in (action, ANY))
    return touched


def _rules(bundle: PolicyBundle) -> dict[str, list[Rule]]:
    memo: dict[Any, Any] = bundle.memo.setdefault(_MEMO_KEY, {})
    if "rules" not in memo:
        rules: dict[str, list[Rule]] = {}
        for rule in bundle.rules:
            if rule.allow:
                rules.setdefault(rule.sub, []).append(rule)
        memo["rules"] = rules
    found: dict[str, list[Rule]] = memo["rules"]
    return found


def _places(bundle: PolicyBundle) -> dict[str, list[tuple[str, str]]]:
    """Return what each object of rules stands for: (resource, field) of columns, (class, class) of a class asked for as a whole."""
    memo: dict[Any, Any] = bundle.memo.setdefault(_MEMO_KEY, {})
    if "places" not in memo:
        columns = {
            f"{table.name}.{each}": (table.name, each) for table in bundle.catalog.tables.values() for each in table.columns
        }
        places: dict[str, list[tuple[str, str]]] = {}
        for target, objects in bundle.objects.items():
            if target not in OWN_RESOURCES:
                for obj in objects:
                    places.setdefault(obj, []).append(columns.get(target, (target, target)))
        memo["places"] = places
    found: dict[str, list[tuple[str, str]]] = memo["places"]
    return found


def _hopeful(rule: Rule, _: str) -> bool:
    return rule.allow
