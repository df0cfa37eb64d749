"""How long a decision stands: until when the same question of the same employee gets the same answer from one snapshot.

`decide` looks at time in four places only: the periods of grants, the periods of facts, the age of the sign-in, and, where a
condition asks for them, the calendar's hour, weekday and holiday, which change with a minute at the earliest. Between two such moments
equal questions have equal answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from munjigi.decision.frames import Memory
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.kernel.identity import EmployeeKey, SignIn
from munjigi.policy.calendar import MINUTE
from munjigi.policy.conditions import read
from munjigi.policy.types import PolicyBundle

_FOR_EVER: Final = 1 << 62  # UTC nanoseconds
_OF_CALENDAR: Final = frozenset(("r.ctx.hour", "r.ctx.weekday", "r.ctx.holiday"))


def asks_calendar(bundle: PolicyBundle) -> bool:
    """Tell whether a condition of the policy looks at hour, weekday or holiday. Goes through all its rules."""
    asked = {rule.cond for rule in bundle.rules if rule.condition is not None}
    return any(read(cond).reads & _OF_CALENDAR for cond in asked)


def same_basis(before: GrantTable, after: GrantTable, employee: EmployeeKey, tool: str) -> bool:
    """Tell whether all that a decision about `employee` at `tool` can take from a grant table is the same in both."""
    if before is after:
        return True
    same_person = before.person(employee) == after.person(employee)
    same_person = same_person and before.same_ends(after)
    same_block = before.blocked(employee, tool) == after.blocked(employee, tool)
    return same_person and same_block and before.of(employee) == after.of(employee)


def stands_until(
    snapshot: Snapshot, employee: EmployeeKey, now: int, sign_in: SignIn | None = None, *, calendar: bool = True
) -> int:
    """Return the first moment after `now` (both UTC nanoseconds) at which a decision about `employee` could be another.

    `calendar`: conditions may ask for it, so that no decision stands longer than its minute. A caller who knows by `asks_calendar`
    that none does may say so.
    """
    until = (now // MINUTE + 1) * MINUTE if calendar else _FOR_EVER
    for grant in snapshot.grants.of(employee):
        if now < grant.starts_at < until:
            until = grant.starts_at
        if now < grant.ends_at < until:
            until = grant.ends_at
    if sign_in is not None and Memory.of(snapshot.bundle).asks_sign_in:
        for moment in _of_sign_in(snapshot, employee, sign_in):
            if now < moment < until:
                until = moment
    person = snapshot.grants.person(employee)
    if person is not None:
        for fact in person.facts:
            if now < fact.starts_at < until:
                until = fact.starts_at
            if now < fact.ends_at < until:
                until = fact.ends_at
    return until


def _of_sign_in(snapshot: Snapshot, employee: EmployeeKey, sign_in: SignIn) -> Iterator[int]:
    for demand in snapshot.bundle.catalog.sign_in.values():
        yield from demand.moments(sign_in)
    for grant in snapshot.grants.of(employee):
        role = snapshot.bundle.roles.get(grant.role)
        if role is not None and role.session is not None:
            yield from role.session.moments(sign_in)
