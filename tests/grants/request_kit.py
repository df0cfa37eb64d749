"""A small company with roles of every kind, and a store that requests are planned and committed on as the registrar does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from decision.builders import P, make_bundle, purpose
from decision.builders import ask as question

from doubles.state_memory import MemoryStateStore
from munjigi.app.grant_changes import apply_changes, load_table
from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.grants import requests
from munjigi.grants.book import Book
from munjigi.grants.break_glass import break_glass
from munjigi.grants.changes import BlockEdit, Edit, PersonEdit, grant_added
from munjigi.grants.delegations import delegate
from munjigi.grants.personnel import Personnel, PersonnelEvent
from munjigi.grants.ports import undecided
from munjigi.grants.requests import Ask, Outcome
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.errors import MunjigiError
from munjigi.kernel.grant import Block, Grant, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.types import PolicyBundle, Role, Stage

ISSUER = "urn:test"
NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
WHY = "the queue of open cases at the new desk"
OWNER, MANAGER = Stage("owner"), Stage("manager")
PRIVACY = Stage("privacy", ("privacy",))
BOARD = Stage("owner", (), everyone=True)


def role(name: str, *stages: Stage, owners: tuple[str, ...] = ("lee", "ann"), **more: Any) -> Role:
    return replace(Role(name, name, owners, stages or (OWNER,), 365, "quarterly", (), 0), **more)


ROLES = (
    role("agent"),
    role("senior", OWNER, PRIVACY),
    role("board", BOARD, owners=("lee", "ann", "bo")),
    role("managed", MANAGER),
    role("heads", budget=2),
    role("red", excludes=("blue",)),
    role("blue"),
    role("urgent", break_glass_hours=4),
    role("editor"),
    role("privacy"),
    role("idle"),
)


def company(*roles: Role, base: tuple[Role, ...] = ROLES) -> PolicyBundle:
    """The policy; `roles` replace those of the same name."""
    named = {each.name: each for each in (*base, *roles)}
    lines = [P(name, "crm.member.*") for name in named if name not in ("editor", "privacy", "idle")]
    lines += [P("editor", "munjigi.policy", "operate", "oversight"), P("privacy", "munjigi.audit", "read", "oversight")]
    lines += [P("privacy", "munjigi.review", "operate", "oversight")]
    lines += [P("urgent", "crm.member.*", purpose="fraud"), P("agent", "crm.member.*", purpose="sketched")]
    case = re.compile(r"FR-\d{4}").fullmatch
    assessed: dict[str, Any] = {"impact_assessment": "PIA-1", "impact_stage": "approved"}
    purposes = [
        *(purpose(name, **assessed) for name in ("inquiry", "marketing", "oversight")),
        purpose(
            "fraud", **assessed, case_for_grant=True, case_example="FR-0001", matches_case=lambda text: case(text) is not None
        ),
        purpose("sketched", impact_assessment="PIA-9", impact_stage="draft"),
    ]
    return make_bundle(lines, [("chief", "editor")], named.values(), purposes=purposes)


def key(name: str) -> EmployeeKey:
    return EmployeeKey(ISSUER, name)


def someone(name: str, *others: str, **more: Any) -> Person:
    return replace(Person(f"p.{name}", "employee", "cs", (key(name), *map(key, others))), **more)


def held(name: str, role: str, purpose: str = "inquiry", start: int = -1, end: int = 300, **more: Any) -> Grant:
    grant_id = f"held.{name}.{role}.{purpose}"
    return replace(Grant(grant_id, key(name), role, purpose, NOW + start * DAY, NOW + end * DAY, ("ann",)), **more)


PEOPLE = (
    someone("lee"),
    someone("ann", manager="p.top"),
    someone("bo"),
    someone("top"),
    someone("yoon"),
    someone("han"),
    someone("kim", "kim2", manager="p.mia"),
    someone("oh", manager="p.mia"),
    someone("mia", manager="p.top"),
    someone("dan"),
    someone("eve"),
)
GRANTS = (held("yoon", "privacy", "oversight"), held("han", "editor", "oversight"))


class Company:
    """Everybody's steps, one after the other, at `now` (UTC nanoseconds)."""

    def __init__(self, *roles: Role, people: tuple[Person, ...] = PEOPLE, grants: tuple[Grant, ...] = GRANTS) -> None:
        self.bundle = company(*roles)
        self.store = MemoryStateStore()
        self.now = NOW
        self.made = 0
        self._table: GrantTable | None = None
        self.put(*(PersonEdit("person_changed", each) for each in people), *map(grant_added, grants))

    @property
    def table(self) -> GrantTable:
        if self._table is None:
            self._table = load_table(self.store)
        elif self._table.revision < self.store.revision():
            self._table = apply_changes(self._table, self.store.changes_since(self._table.revision))
        return self._table

    def book(self) -> Book:
        head = self.store.log_head()
        asked = lambda account: undecided(self.store, account)  # noqa: E731 - short
        return Book(self.table, self.bundle, self.now, self.store.request, asked, head.log_id, head.base, self.store.reviews)

    def put(self, *edits: Edit) -> None:
        self.store.apply(edits, at=self.now, actor="test", request_id="")

    def ask(self, name: str, role: str = "agent", purpose: str = "inquiry", *, by: str = "", **more: Any) -> AccessRequest:
        kind = more.pop("kind", "renew" if "grant_id" in more else "new")
        if not more.keys() & {"days", "ends_at"}:
            more["days"] = 30
        self.made += 1
        wanted = Ask(kind, key(name), key(by or name), role, purpose, WHY, **more)
        return self.done(requests.ask(self.book(), wanted, f"ar-{self.made:04}")).request

    def vote(self, request: AccessRequest | str, name: str, *, approve: bool = True, digest: str = "") -> Outcome:
        request_id = request if isinstance(request, str) else request.access_request_id
        now = self.store.request(request_id)
        digest = digest or (now.digest if now else "")
        return self.done(requests.decide(self.book(), request_id, key(name), digest, approve=approve, reason="as it should"))

    def withdraw(self, request: AccessRequest, name: str) -> AccessRequest:
        return self.done(requests.withdraw(self.book(), request.access_request_id, key(name))).request

    def given(self, name: str, role: str = "agent", purpose: str = "inquiry", *, by: str = "ann", **more: Any) -> Grant:
        """Ask, and have it approved by one."""
        grant = self.vote(self.ask(name, role, purpose, **more), by).grant
        assert grant is not None
        return grant

    def break_glass(self, name: str, hours: int = 4, role: str = "urgent", purpose: str = "inquiry", **more: Any) -> Outcome:
        self.made += 1
        wanted = replace_ask(Ask("break_glass", key(name), key(name), role, purpose, WHY), more)
        return self.done(break_glass(self.book(), wanted, hours, f"ar-{self.made:04}"))

    def delegate(self, name: str, to: str, *, starts_at: int = 0, ends_at: int | None = None) -> None:
        self.put(delegate(self.book(), key(name), key(to), starts_at, self.now + 10 * DAY if ends_at is None else ends_at))

    def event(self, kind: Any, name: str, **more: Any) -> None:
        planner = Personnel(self.book())
        person_id = name if self.table.person_of(name) else f"p.{name}"
        planner.apply(PersonnelEvent(kind, person_id, "hr", self.now, **more))
        self.put(*planner.edits)

    def block(self, name: str) -> None:
        self.put(BlockEdit("principal_blocked", Block("person", f"p.{name}"), "stop"))

    def reads(self, name: str, purpose: str = "inquiry", action: str = "read") -> bool:
        """What the one core says, now."""
        asked = question(
            "name", employee=key(name), purpose=purpose, action=action, case_id="FR-0001" if purpose == "fraud" else ""
        )
        return decide(Snapshot(self.bundle, self.table), asked, self.now).allow

    def done(self, outcome: Outcome) -> Outcome:
        self.put(*outcome.edits)
        return outcome

    def grant(self, grant_id: str) -> Grant:
        found = self.table.grant(grant_id)
        assert found is not None
        return found

    def found(self, request: AccessRequest) -> AccessRequest:
        found = self.store.request(request.access_request_id)
        assert found is not None
        return found

    def state(self, request: AccessRequest) -> str:
        return self.found(request).state


def replace_ask(ask: Ask, more: dict[str, Any]) -> Ask:
    return ask._replace(**more)


@contextmanager
def refused(reason: str) -> Iterator[pytest.ExceptionInfo[MunjigiError]]:
    """The block is refused with this reason."""
    with pytest.raises(MunjigiError) as caught:
        yield caught
    assert caught.value.reason == reason
