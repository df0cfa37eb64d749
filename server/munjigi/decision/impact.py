"""Whom the differences of two bundles concern: the employees who hold the role for the purpose now, by department."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from munjigi.decision.grant_table import GrantTable
from munjigi.kernel.grant import Grant
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.diff import Difference
from munjigi.policy.types import PolicyBundle


class Concerned(NamedTuple):
    """How many employees one role's differences concern, and of which departments they are (`-`: none is known)."""

    role: str
    employees: int
    departments: tuple[tuple[str, int], ...]


def concerned(
    differences: Sequence[Difference], bundles: Sequence[PolicyBundle], grants: GrantTable, now: int
) -> list[Concerned]:
    """Count the employees with an active grant of a role that a difference reaches: its purpose, and its scope if it has one."""
    by_role: dict[tuple[str, str], list[Difference]] = defaultdict(list)
    for each in differences:
        by_role[each.role, each.purpose].append(each)
    found: dict[str, set[EmployeeKey]] = defaultdict(set)
    for grant in grants:
        cells = by_role.get((grant.role, grant.purpose))
        if cells and grant.active(now) and any(_reaches(grant, cell, bundles) for cell in cells):
            found[grant.role].add(grant.employee)
    return [
        Concerned(role, len(employees), _departments(employees, grants))
        for role, employees in sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
    ]


def _reaches(grant: Grant, cell: Difference, bundles: Sequence[PolicyBundle]) -> bool:
    scope = grant.scope
    if scope is None:
        return True
    about = {obj for bundle in bundles for obj in bundle.objects.get(cell.object, ())}
    return (not scope.actions or cell.action in scope.actions) and (not scope.objects or not about.isdisjoint(scope.objects))


def _departments(employees: set[EmployeeKey], grants: GrantTable) -> tuple[tuple[str, int], ...]:
    people = (grants.person(employee) for employee in employees)
    counted = Counter((person.department if person is not None else "") or "-" for person in people)
    return tuple(sorted(counted.items(), key=lambda each: (-each[1], each[0])))
