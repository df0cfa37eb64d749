"""Who is who, and who holds what: the values that decisions, grants and reviews share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from munjigi.kernel.identity import EmployeeKey

PrincipalType = Literal["employee", "contractor", "partner", "seller", "service"]


class Scope(NamedTuple):
    """A subset of a role's resources and actions. An empty part means all of the role's.

    `objects` are `database.table.column`, `database.table.*` or `class:NAME`.
    """

    objects: tuple[str, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """One employee holds one role for one purpose, in [starts_at, ends_at) (UTC nanoseconds)."""

    grant_id: str
    employee: EmployeeKey
    role: str
    purpose: str
    starts_at: int
    ends_at: int
    approved_by: tuple[str, ...]
    scope: Scope | None = None

    def active(self, now: int) -> bool:
        """Tell whether the grant is in force at `now` (half-open)."""
        return self.starts_at <= now < self.ends_at


class Fact(NamedTuple):
    """A statement about a person with a period and a source: pledge, training, device state."""

    kind: str
    starts_at: int
    ends_at: int
    source: str


@dataclass(frozen=True, slots=True)
class Person:
    """A human (or a service) with the accounts that are theirs. `department` may be empty."""

    person_id: str
    principal_type: PrincipalType
    department: str
    accounts: tuple[EmployeeKey, ...]
    facts: tuple[Fact, ...] = ()

    def holds(self, kind: str, now: int) -> bool:
        """Tell whether a fact of this kind is in force at `now`."""
        return any(fact.kind == kind and fact.starts_at <= now < fact.ends_at for fact in self.facts)
