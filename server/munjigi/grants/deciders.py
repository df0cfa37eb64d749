"""Who may decide a stage of a request: one human, one vote, and never on what benefits oneself (promise P9).

People count, not accounts: whoever asked, whoever would hold the grant, and whoever edits policy decides nothing, in their own name
or as somebody's deputy. Where all who should decide are gone, their managers do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from munjigi.grants.book import Book
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.grant import Block, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.types import ANY, PolicyBundle, Stage

OWNER: Final = "owner"
MANAGER: Final = "manager"
_EDITORS: Final = "policy editors"  # key of the bundle's memo


def deciders(book: Book, request: AccessRequest, stage: Stage) -> dict[str, str]:
    """Return who may decide a stage, by person id: in whose stead, or empty for their own word."""
    named = _named(book, request, stage)
    barred = barred_from(book, request)
    found = {person.person_id: "" for person in named if may_decide(book, person, barred)}
    for person in named:
        if person.person_id in barred:
            continue  # a deputy is no way round
        for deputy in person.delegations:
            other = book.holdings.person_of(deputy.person_id)
            if deputy.starts_at <= book.now < deputy.ends_at and other is not None and may_decide(book, other, barred):
                found.setdefault(other.person_id, person.person_id)
    if not found:
        for person in named:
            above = book.holdings.person_of(person.manager) if person.manager else None
            if above is not None and may_decide(book, above, barred):
                found.setdefault(above.person_id, person.person_id)
    return found


def barred_from(book: Book, request: AccessRequest) -> frozenset[str]:
    """Return the people whom a request concerns: who asked, and who would hold the grant."""
    applicant = book.holdings.person(request.applicant)
    return frozenset((request.person_id, applicant.person_id if applicant else request.person_id))


def may_decide(book: Book, person: Person, barred: frozenset[str]) -> bool:
    """Tell whether a person may decide at all: there, not blocked, not concerned, and no editor of policy."""
    return (
        person.status == "active"
        and person.person_id not in barred
        and Block("person", person.person_id) not in book.holdings.blocks
        and not edits_policy(book, person)
    )


def edits_policy(book: Book, person: Person) -> bool:
    """Tell whether a person may edit or reload policy, with whatever account."""
    return any(grant.role in _policy_editors(book.bundle) for grant in book.grants_of(person) if grant.active(book.now))


def _policy_editors(bundle: PolicyBundle) -> frozenset[str]:
    """Return the roles that may operate on policy; found once for a bundle."""
    editors = bundle.memo.get(_EDITORS)
    if not isinstance(editors, frozenset):
        direct = {
            sub
            for (obj, act, _), by_role in bundle.index.items()
            if obj == "munjigi.policy" and act in ("operate", ANY)
            for sub, rules in by_role.items()
            if any(rule.allow for rule in rules)
        }
        reached = (role for role, ways in bundle.closure.items() if any(way.role in direct for way in ways))
        editors = bundle.memo[_EDITORS] = frozenset(reached)
    return editors


def _named(book: Book, request: AccessRequest, stage: Stage) -> list[Person]:
    """Return the people whom roles.toml names for a stage, whether or not they may decide; each once, in order."""
    holdings = book.holdings
    found: Iterable[Person | None]
    if stage.name == OWNER:
        role = book.bundle.roles.get(request.role)
        # An owner is named by subject: the account is the one under the issuer of who asks.
        found = (holdings.person(EmployeeKey(request.employee.issuer, owner)) for owner in (role.owners if role else ()))
    elif stage.name == MANAGER:
        person = holdings.person_of(request.person_id)
        found = (holdings.person_of(person.manager) if person is not None and person.manager else None,)
    else:
        found = (
            holdings.person(employee)
            for role_name in stage.roles
            for purpose in book.bundle.purposes
            for employee in holdings.holders(role_name, purpose).since(None)
            if any(each.role == role_name and each.active(book.now) for each in holdings.of(employee))
        )
    return list({person.person_id: person for person in found if person is not None}.values())


def feasible(stages: Sequence[frozenset[str]], used: frozenset[str]) -> bool:
    """Tell whether each stage can have a person of its own, none of `used` among them."""
    if not stages:
        return True
    first, *rest = stages
    return any(feasible(rest, used | {person}) for person in sorted(first - used))
