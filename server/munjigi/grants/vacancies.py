"""What could not be decided, whoever asked: stages of roles that nobody fills now, and owners whom nobody knows. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from munjigi.grants.book import Book
from munjigi.grants.deciders import MANAGER, seats
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.types import Role

_SOMEBODY: Final = ""  # an account that is nobody's: whoever asks


class Vacancies(NamedTuple):
    """Of a role: the stages that nobody could decide, and the owners who are no accounts of the issuer."""

    role: str
    stages: tuple[str, ...]
    strangers: tuple[str, ...]


def vacancies(book: Book, issuer: str) -> Iterator[Vacancies]:
    """Yield what is vacant now for whoever asks with an account of `issuer`; a manager's stage is left out, which depends on who asks."""
    for role in book.bundle.roles.values():
        asked = asking(role, EmployeeKey(issuer, _SOMEBODY), _SOMEBODY)
        stages = tuple(str(each) for each in role.stages if each.name != MANAGER and not seats(book, asked, each))
        strangers = tuple(each for each in role.owners if book.holdings.person(EmployeeKey(issuer, each)) is None)
        if stages or strangers:
            yield Vacancies(role.name, stages, strangers)


def asking(role: Role, employee: EmployeeKey, person_id: str) -> AccessRequest:
    """Return a request for a role as far as who decides depends on it; nobody makes it."""
    return AccessRequest(
        access_request_id="",
        kind="new",
        employee=employee,
        person_id=person_id,
        applicant=employee,
        role=role.name,
        purpose="",
        case_id="",
        impact_assessment="",
        scope=None,
        starts_at=0,
        ends_at=0,
        days=1,
        reason="",
        grant_id="",
        supersedes="",
        stages=tuple(str(each) for each in role.stages),
        made_at=0,
        lapses_at=0,
    )
