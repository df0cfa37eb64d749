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
    """One employee holds one role for one purpose, in [starts_at, ends_at) (UTC nanoseconds).

    `suspended` says why it does not count for now, `ended` why it ended before its time; both are empty where it goes on.
    """

    grant_id: str
    employee: EmployeeKey
    role: str
    purpose: str
    starts_at: int
    ends_at: int
    approved_by: tuple[str, ...]
    scope: Scope | None = None
    access_request_id: str = ""
    suspended: str = ""
    ended: str = ""
    break_glass: bool = False

    def active(self, now: int) -> bool:
        """Tell whether the grant is in force at `now` (half-open), and not suspended."""
        return self.starts_at <= now < self.ends_at and not self.suspended


class Fact(NamedTuple):
    """A statement about a person with a period and a source: pledge, training, device state, screening.

    `stated_at` is when the source says that it said so (UTC nanoseconds).
    """

    kind: str
    starts_at: int
    ends_at: int
    source: str
    stated_at: int = 0


class Delegation(NamedTuple):
    """Somebody else (a person's id) decides on requests in one's stead, in [starts_at, ends_at) (UTC nanoseconds)."""

    person_id: str
    starts_at: int
    ends_at: int


Status = Literal["active", "leave", "left"]


@dataclass(frozen=True, slots=True)
class Person:
    """A human (or a service) with the accounts that are theirs. `department` and `manager` (a person's id) may be empty.

    What was signed in before `sessions_from` (UTC nanoseconds) counts no more. `effective_at` is when the last joiner, mover,
    leaver, leave or return took effect, by its source's clock (UTC nanoseconds).
    """

    person_id: str
    principal_type: PrincipalType
    department: str
    accounts: tuple[EmployeeKey, ...]
    facts: tuple[Fact, ...] = ()
    status: Status = "active"
    manager: str = ""
    delegations: tuple[Delegation, ...] = ()
    sessions_from: int = 0
    effective_at: int = 0

    def holds(self, kind: str, now: int) -> bool:
        """Tell whether a fact of this kind is in force at `now`."""
        return any(fact.kind == kind and fact.starts_at <= now < fact.ends_at for fact in self.facts)


class Block(NamedTuple):
    """A principal who is stopped at once, whatever it holds: a person with all its accounts, or a tool.

    `principal` is a person's id or a tool's name.
    """

    kind: Literal["person", "tool"]
    principal: str
