"""A store, a table and personnel plans on it, without a process."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from doubles.state_memory import MemoryStateStore
from munjigi.app.grant_changes import load_table
from munjigi.grants.book import Book
from munjigi.grants.changes import Edit, PersonEdit
from munjigi.grants.personnel import Personnel, PersonnelEvent
from munjigi.grants.ports import undecided
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.grant import Fact, Grant, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.types import Role

ISSUER = "urn:test"
NOW = 1_800_000_000_000_000_000
DAY = 86_400 * 1_000_000_000


def role(name: str, *departments: str, requires: tuple[str, ...] = ()) -> Role:
    return Role(name, name, ("owner",), ("owner",), 365, "quarterly", requires, 0, departments)


ROLES = {each.name: each for each in (role("agent", "cs", requires=("pledge",)), role("analyst", "fraud", "cs"), role("anyone"))}


class Office:
    """Applies events as the registrar does: plan on the newest table, commit at its revision."""

    def __init__(self) -> None:
        self.store = MemoryStateStore()
        self.now = NOW

    def book(self) -> Book:
        head = self.store.log_head()
        bundle: Any = SimpleNamespace(roles=ROLES)
        asked = lambda account: undecided(self.store, account)  # noqa: E731 - short
        return Book(load_table(self.store), bundle, self.now, self.store.request, asked, head.log_id, head.base)

    def put(self, *edits: Edit) -> None:
        self.store.apply(edits, at=self.now, actor="test", request_id="")

    def apply(self, *events: PersonnelEvent) -> list[Edit]:
        planner = Personnel(self.book())
        for event in events:
            planner.apply(event)
        self.put(*planner.edits)
        return planner.edits

    def person(self, person_id: str) -> Person:
        found = self.book().holdings.person_of(person_id)
        assert found is not None
        return found

    def in_force(self, person_id: str, at: int) -> set[str]:
        return {grant.grant_id for grant in self.book().grants_of(self.person(person_id)) if grant.active(at)}


def event(kind: Any, person_id: str, at: int = 0, **more: Any) -> PersonnelEvent:
    return PersonnelEvent(kind, person_id, "hr", at, **more)


def someone(name: str, department: str = "cs", accounts: int = 1, **more: Any) -> PersonEdit:
    keys = tuple(EmployeeKey(ISSUER, f"{name}{number or ''}") for number in range(accounts))
    return PersonEdit("person_changed", replace(Person(f"p.{name}", "employee", department, keys), **more))


def held(grant_id: str, name: str, role: str = "agent", start: int = -10, end: int = 100, **more: Any) -> Grant:
    return replace(
        Grant(grant_id, EmployeeKey(ISSUER, name), role, "inquiry", NOW + start * DAY, NOW + end * DAY, ("lee",)), **more
    )


def asked(request_id: str, name: str, role: str = "agent") -> AccessRequest:
    key = EmployeeKey(ISSUER, name)
    return AccessRequest(
        request_id,
        "new",
        key,
        f"p.{name}",
        key,
        role,
        "inquiry",
        "",
        "",
        None,
        0,
        0,
        30,
        "work",
        "",
        "",
        ("owner",),
        NOW,
        NOW + DAY,
    )


def fact(kind: str, start: int, end: int) -> Fact:
    return Fact(kind, NOW + start * DAY, NOW + end * DAY, "")
