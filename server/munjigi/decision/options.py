"""What can be asked for that would repair a denial: the roles that its help names, as data, of those the person's department may hold."""

from __future__ import annotations

from typing import Final, NamedTuple

from munjigi.decision.frames import Ground, Memory
from munjigi.decision.helptext import ASK_DAYS, NEEDS_ROLE, allowing_roles
from munjigi.decision.reasons import REQUIREMENT_MISSING
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Effect, Request

_REPAIRED: Final = NEEDS_ROLE - {REQUIREMENT_MISSING}  # whoever lacks a requirement holds the role, and asks for nothing


class AccessOption(NamedTuple):
    """A role to ask for, for how many days, and what the case id looks like that the request needs (empty: none)."""

    role: str
    purpose: str
    days: int
    case_example: str
    owners: tuple[str, ...]


def access_options(snapshot: Snapshot, request: Request, decision: Decision, now: int) -> tuple[AccessOption, ...]:
    """Return what the employee of a denied request could ask for at `now` (UTC nanoseconds), as the help says it."""
    if decision.allow:
        return ()
    bundle, table = snapshot
    denied = next((each for each in decision.fields if each.effect is Effect.DENIED), None)
    if denied is None or denied.rule or denied.reason not in _REPAIRED:
        return ()
    memory = Memory.of(bundle)
    ground = memory.frame(request.tool, request.resource, request.action, request.purpose).ground
    target = ground.targets.get(denied.name, "") if ground is not None else ""
    purpose, person = bundle.purposes.get(request.purpose), table.person(request.employee)
    if ground is None or not target or purpose is None:
        return ()
    held = (each.role for each in table.of(request.employee) if each.purpose == request.purpose and each.active(now))
    without = frozenset(way.role for role in held for way in bundle.closure.get(role, ()))
    found = _allowing(memory, ground, target, without, snapshot)
    roles = [bundle.roles[name] for name in found]
    case = purpose.case_example if purpose.case_for_grant else ""
    return tuple(
        AccessOption(role.name, purpose.name, min(role.longest_days, ASK_DAYS), case, role.owners)
        for role in roles
        if person is not None and role.open_to(person.department)
    )


def _allowing(memory: Memory, ground: Ground, target: str, without: frozenset[str], snapshot: Snapshot) -> tuple[str, ...]:
    """Look once for all who hold the same: who guesses names asks much."""
    key = (ground.action, ground.purpose, target, without)
    found = memory.allowing.get(key)
    if found is None:
        found = tuple(allowing_roles(snapshot.bundle, ground, target, without))
        if memory.may_keep(1):
            memory.allowing[key] = found
    return found
