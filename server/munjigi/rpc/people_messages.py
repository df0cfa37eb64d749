"""People between the wire and the table."""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern
from typing import Final

from munjigi.grants.lifecycle import PersonnelKind
from munjigi.grants.staffing import Wanted
from munjigi.kernel.grant import Fact, Person, PrincipalType, Status
from munjigi.kernel.identity import EmployeeKey
from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

KIND_OF: Final[dict[pb.PersonnelEventKind, PersonnelKind]] = {
    pb.PERSONNEL_EVENT_KIND_JOINER: "joiner",
    pb.PERSONNEL_EVENT_KIND_MOVER: "mover",
    pb.PERSONNEL_EVENT_KIND_LEAVER: "leaver",
    pb.PERSONNEL_EVENT_KIND_LEAVE: "leave",
    pb.PERSONNEL_EVENT_KIND_RETURN: "return",
    pb.PERSONNEL_EVENT_KIND_FACTS: "facts",
    pb.PERSONNEL_EVENT_KIND_ACCOUNT: "account",
}
EVENT_OF: Final = {kind: each for each, kind in KIND_OF.items()}
TYPE_OF: Final[dict[pb.PrincipalType, PrincipalType]] = {
    pb.PRINCIPAL_TYPE_EMPLOYEE: "employee",
    pb.PRINCIPAL_TYPE_CONTRACTOR: "contractor",
    pb.PRINCIPAL_TYPE_PARTNER: "partner",
    pb.PRINCIPAL_TYPE_SELLER: "seller",
    pb.PRINCIPAL_TYPE_SERVICE: "service",
}
_TYPES: Final = {name: each for each, name in TYPE_OF.items()}
STATUS_OF: Final[dict[pb.PersonStatus, Status]] = {
    pb.PERSON_STATUS_ACTIVE: "active",
    pb.PERSON_STATUS_LEAVE: "leave",
    pb.PERSON_STATUS_LEFT: "left",
}
_STATUSES: Final = {name: each for each, name in STATUS_OF.items()}


def accounts_of(accounts: Iterable[pb.Account], issuer: str) -> tuple[EmployeeKey, ...]:
    """Return accounts; one without an issuer is of `issuer`."""
    return tuple(EmployeeKey(each.issuer or issuer, each.subject) for each in accounts)


def facts_of(facts: Iterable[pb.Fact], source: str, now: int) -> tuple[Fact, ...]:
    """Return the facts of an event; one without a beginning begins at `now` (UTC nanoseconds)."""
    return tuple(Fact(each.kind, each.starts_at or min(now, each.ends_at), each.ends_at, source) for each in facts)


def wanted_of(row: pb.PersonRow, issuer: str) -> Wanted:
    """Return how a row wants a person to be."""
    return Wanted(
        row.person_id,
        STATUS_OF.get(row.status, "active"),
        TYPE_OF.get(row.principal_type),
        intern(row.department) if row.HasField("department") else None,  # one of few, and stays in memory
        intern(row.manager) if row.HasField("manager") else None,
        accounts_of(row.accounts, issuer),
        tuple((each.kind, each.ends_at) for each in row.facts),
    )


def person_message(person: Person) -> pb.Person:
    """Write a person down."""
    return pb.Person(
        person_id=person.person_id,
        principal_type=_TYPES[person.principal_type],
        status=_STATUSES[person.status],
        department=person.department,
        manager=person.manager,
        accounts=[pb.Account(issuer=each.issuer, subject=each.subject) for each in person.accounts],
        facts=[
            pb.Fact(kind=each.kind, starts_at=each.starts_at, ends_at=each.ends_at, source=each.source, stated_at=each.stated_at)
            for each in person.facts
        ],
        deputies=[
            pb.Deputy(person_id=each.person_id, starts_at=each.starts_at, ends_at=each.ends_at) for each in person.delegations
        ],
        sessions_from=person.sessions_from,
        effective_at=person.effective_at,
    )
