"""From how people are to the events that make them as a list wants them: lists (CSV, a directory) say states, not events."""

from __future__ import annotations

from typing import NamedTuple

from munjigi.grants.personnel import PersonnelEvent
from munjigi.kernel.grant import Fact, Person, PrincipalType, Status
from munjigi.kernel.identity import EmployeeKey


class Wanted(NamedTuple):
    """How a list wants a person to be; what is None is not said. `facts` are kind and end (UTC nanoseconds)."""

    person_id: str
    status: Status = "active"
    principal_type: PrincipalType | None = None
    department: str | None = None
    manager: str | None = None
    accounts: tuple[EmployeeKey, ...] = ()
    facts: tuple[tuple[str, int], ...] = ()


def events_for(person: Person | None, wanted: Wanted, source: str, at: int, now: int, by: str = "") -> list[PersonnelEvent]:
    """Return the events, in order; none when the person is so already. `at` is when they take effect, `now` the clock's time.

    A person who is not known and has left is nobody.
    """
    event = PersonnelEvent("joiner", wanted.person_id, source, at, by=by)
    status = person.status if person is not None else "left"
    if wanted.status == "left":
        return [event._replace(kind="leaver")] if status != "left" else []
    placed = event._replace(principal_type=wanted.principal_type, department=wanted.department, manager=wanted.manager)
    events = []
    if person is None or status == "left":
        events.append(placed._replace(accounts=wanted.accounts))
        status = "active"
    else:
        if _differs(person, wanted):
            events.append(placed._replace(kind="mover"))
        if not set(wanted.accounts) <= set(person.accounts):
            events.append(event._replace(kind="account", accounts=wanted.accounts))
    if wanted.status != status:
        events.append(event._replace(kind="leave" if wanted.status == "leave" else "return"))
    facts = _new_facts(person, wanted, source, at or now)
    if facts:
        events.append(event._replace(kind="facts", facts=facts))
    return events


def _differs(person: Person, wanted: Wanted) -> bool:
    pairs = (
        (wanted.principal_type, person.principal_type),
        (wanted.department, person.department),
        (wanted.manager, person.manager),
    )
    return any(asked is not None and asked != known for asked, known in pairs)


def _new_facts(person: Person | None, wanted: Wanted, source: str, at: int) -> tuple[Fact, ...]:
    """Return the facts that the source has not stated yet; one whose end is known keeps its beginning."""
    known = {(fact.kind, fact.ends_at) for fact in person.facts if fact.source == source} if person is not None else set()
    return tuple(
        Fact(kind, min(at, ends_at), ends_at, source, at) for kind, ends_at in wanted.facts if (kind, ends_at) not in known
    )
