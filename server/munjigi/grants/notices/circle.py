"""Whom a notice concerns: accounts, found by the same rules by which people decide.

Who has left is told nothing. Of somebody's accounts the one under the issuer of whom it is about counts, else the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from munjigi.grants.book import Book
from munjigi.grants.deciders import deciders, operators
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import EmployeeKey

PRIVACY: Final = "privacy"
REVIEWS: Final = "munjigi.review"


def deciding(book: Book, request: AccessRequest) -> list[Person]:
    """Return who may decide the stage that a request has reached, without those who have voted."""
    role = book.bundle.roles.get(request.role)
    if role is None or request.stage >= len(role.stages):
        return []
    voted = {vote.person_id for vote in request.votes}
    people = deciders(book, request, role.stages[request.stage])
    return _there(book.holdings.person_of(each) for each in people if each not in voted)


def owners(book: Book, issuer: str, role: str) -> list[Person]:
    """Return the people who own a role, whose accounts are under `issuer`."""
    known = book.bundle.roles.get(role)
    names = known.owners if known is not None else ()
    return _there(book.holdings.person(EmployeeKey(issuer, name)) for name in names)


def office(book: Book, name: str) -> list[Person]:
    """Return who works in an office, as far as a role is approved there."""
    roles = {each for role in book.bundle.roles.values() for stage in role.stages if stage.name == name for each in stage.roles}
    held = dict.fromkeys(
        account
        for role in sorted(roles)
        for purpose in book.bundle.purposes
        for account in book.holdings.holders(role, purpose).since(None)
        if any(grant.role == role and grant.active(book.now) for grant in book.holdings.of(account))
    )
    return _there(book.holdings.person(account) for account in held)


def operating(book: Book, resource: str) -> list[Person]:
    """Return who holds a role that may operate on one of Munjigi's own resources."""
    held = dict.fromkeys(
        account
        for role in sorted(operators(book.bundle, resource))
        for purpose in book.bundle.purposes
        for account in book.holdings.holders(role, purpose).since(None)
        if any(grant.role == role and grant.active(book.now) for grant in book.holdings.of(account))
    )
    return _there(book.holdings.person(account) for account in held)


def managers(book: Book, people: Iterable[Person]) -> list[Person]:
    """Return the managers of people."""
    return _there(book.holdings.person_of(person.manager) for person in people if person.manager)


def accounts(people: Iterable[Person], issuer: str) -> tuple[EmployeeKey, ...]:
    """Return an account of each person, once."""
    found: dict[EmployeeKey, None] = {}
    for person in people:
        own = [account for account in person.accounts if account.issuer == issuer] or list(person.accounts)
        if own:
            found[own[0]] = None
    return tuple(found)


def concerned(book: Book, *employees: EmployeeKey) -> tuple[EmployeeKey, ...]:
    """Return the accounts of those who have not left, each once."""
    found = {each: book.holdings.person(each) for each in employees}
    return tuple(each for each, person in found.items() if person is None or person.status != "left")


def _there(found: Iterable[Person | None]) -> list[Person]:
    return list({person.person_id: person for person in found if person is not None and person.status != "left"}.values())
