"""People as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from munjigi.cli.moments import show_day, show_last_day, show_moment
from munjigi.cli.output import safe, styled, table
from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

if TYPE_CHECKING:
    from rich.table import Table

KINDS: Final = {
    "joiner": pb.PERSONNEL_EVENT_KIND_JOINER,
    "mover": pb.PERSONNEL_EVENT_KIND_MOVER,
    "leaver": pb.PERSONNEL_EVENT_KIND_LEAVER,
    "leave": pb.PERSONNEL_EVENT_KIND_LEAVE,
    "return": pb.PERSONNEL_EVENT_KIND_RETURN,
    "fact": pb.PERSONNEL_EVENT_KIND_FACTS,
    "account": pb.PERSONNEL_EVENT_KIND_ACCOUNT,
}
_NAMES: Final[dict[int, str]] = {kind: name for name, kind in KINDS.items()}


def event_name(kind: int) -> str:
    """Return an event's name on the command line."""
    return _NAMES.get(kind, "unknown")


def status_of(person: pb.Person) -> str:
    """Say how it stands with a person."""
    return pb.PersonStatus.Name(person.status).removeprefix("PERSON_STATUS_").lower()


def type_of(person: pb.Person) -> str:
    """Say what a person is to the company."""
    return pb.PrincipalType.Name(person.principal_type).removeprefix("PRINCIPAL_TYPE_").lower()


def people_table(people: Iterable[pb.Person]) -> Table:
    """Return a line a person."""
    listing = table("person", "department", "manager", "status", "accounts", fold=("department", "accounts"))
    for each in people:
        accounts = ", ".join(account.subject for account in each.accounts)
        status = styled(status_of(each), "" if each.status == pb.PERSON_STATUS_ACTIVE else "yellow")
        listing.add_row(safe(each.person_id), safe(each.department), safe(each.manager), status, safe(accounts))
    return listing


def person_lines(person: pb.Person, now: int) -> Iterable[str]:
    """Yield what is known about one person, a line each. `now` is UTC nanoseconds."""
    yield f"{safe(person.person_id)}, {type_of(person)}, {status_of(person)}"
    yield f"department  {safe(person.department) or '-'}"
    yield f"manager     {safe(person.manager) or '-'}"
    for account in person.accounts:
        yield f"account     {safe(account.subject)} of {safe(account.issuer)}"
    for fact in person.facts:
        force = "" if fact.starts_at <= now < fact.ends_at else ", not in force"
        period = f"from {show_day(fact.starts_at)} to {show_last_day(fact.ends_at)}"
        yield f"fact        {safe(fact.kind)} {period}, says {safe(fact.source)}{force}"
    for deputy in person.deputies:
        period = f"from {show_day(deputy.starts_at)} to {show_last_day(deputy.ends_at)}"
        yield f"deputy      {safe(deputy.person_id)} {period}"
    if person.sessions_from:
        yield f"sessions    count from {show_moment(person.sessions_from)}"
    if person.effective_at:
        yield f"last event  took effect {show_moment(person.effective_at)}"
