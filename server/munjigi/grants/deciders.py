"""Who may decide a stage of a request: one human, one vote, and never on what benefits oneself (promise P9).

People count, not accounts: whoever asked, whoever would hold the grant, and whoever edits policy decides nothing, in their own name,
as somebody's deputy or by one. Where all who should decide are gone, their managers do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from munjigi.grants.book import Book
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.types import ANY, PolicyBundle, Stage

OWNER: Final = "owner"
MANAGER: Final = "manager"
Seats = Mapping[str, tuple[str, ...]]  # by who is named (a person's id): who may fill the seat
_OPERATORS: Final = "operators"  # with the resource, key of the bundle's memo


def deciders(book: Book, request: AccessRequest, stage: Stage) -> dict[str, str]:
    """Return who may decide a stage, by person id: in whose stead, or empty for their own word."""
    return deciders_of(seats(book, request, stage))


def deciders_of(filled_by: Seats) -> dict[str, str]:
    """Return who may fill a seat, by person id: whose seat, or empty for one's own."""
    found = {person: "" for person, able in filled_by.items() if person in able}
    for person, able in sorted(filled_by.items(), key=lambda seat: seat[0] in seat[1]):  # for who is away before who is there
        for other in able:
            found.setdefault(other, person)
    return found


def seats(book: Book, request: AccessRequest, stage: Stage, *, people: int = 0) -> Seats:
    """Return who may fill each seat of a stage: whoever is named may themselves, and their deputies. Seats nobody may fill are left out.

    Who may not decide at all has no deputy who may: neither whom the request concerns, nor who edits policy, nor who is blocked.
    `people`: look no further once so many may, of an office, say, that has hundreds; 0 is everybody.
    """
    barred = barred_from(book, request)
    found: dict[str, tuple[str, ...]] = {}
    able: set[str] = set()
    empty: list[Person] = []
    for person in _named(book, request, stage):
        if person.person_id in found or person.person_id in barred or edits_policy(book, person):
            continue
        if filled := _able(book, person, barred):
            found[person.person_id] = filled
            able.update(filled)
            if people and len(able) >= people:
                break
        else:
            empty.append(person)
    if not found:
        for person in empty:
            above = book.holdings.person_of(person.manager) if person.manager else None
            if above is not None and may_decide(book, above, barred):
                found[person.person_id] = (above.person_id,)
    return found


def _able(book: Book, person: Person, barred: frozenset[str]) -> tuple[str, ...]:
    """Return who may fill the seat of a person: they themselves, and who stands in for them now."""
    if person.status == "left" or book.blocked(person):
        return ()
    now = (each.person_id for each in person.delegations if each.starts_at <= book.now < each.ends_at)
    able = (person, *(book.holdings.person_of(each) for each in now))
    return tuple(each.person_id for each in able if each is not None and may_decide(book, each, barred))


def stages_left(book: Book, request: AccessRequest) -> tuple[Stage, ...]:
    """Return the stages that are to be decided yet, in order; none where roles.toml has changed them since it was asked.

    What was taken in an emergency can't be asked for anew, so its review goes on with the stages as they are.
    """
    role = book.bundle.roles.get(request.role)
    if role is None:
        return ()
    if request.kind != "break_glass" and tuple(str(stage) for stage in role.stages) != request.stages:
        return ()
    return role.stages[min(request.stage, len(role.stages) - 1) :]


def barred_from(book: Book, request: AccessRequest) -> frozenset[str]:
    """Return the people whom a request concerns: who asked, and who would hold the grant."""
    applicant = book.holdings.person(request.applicant)
    return frozenset((request.person_id, applicant.person_id if applicant else request.person_id))


def may_decide(book: Book, person: Person, barred: frozenset[str]) -> bool:
    """Tell whether a person may decide at all: there, not blocked, not concerned, and no editor of policy."""
    return (
        person.status == "active"
        and person.person_id not in barred
        and not book.blocked(person)
        and not edits_policy(book, person)
    )


def edits_policy(book: Book, person: Person) -> bool:
    """Tell whether a person may edit or reload policy, with whatever account."""
    return any(
        grant.role in operators(book.bundle, "munjigi.policy") for grant in book.grants_of(person) if grant.active(book.now)
    )


def operators(bundle: PolicyBundle, resource: str) -> frozenset[str]:
    """Return the roles that may operate on one of Munjigi's own resources, by themselves or by roles they reach; found once for a bundle."""
    roles = bundle.memo.get((_OPERATORS, resource))
    if not isinstance(roles, frozenset):
        direct = {
            sub
            for (obj, act, _), by_role in bundle.index.items()
            if obj == resource and act in ("operate", ANY)
            for sub, rules in by_role.items()
            if any(rule.allow for rule in rules)
        }
        reached = (role for role, ways in bundle.closure.items() if any(way.role in direct for way in ways))
        roles = bundle.memo[_OPERATORS, resource] = frozenset(reached)
    return roles


def _named(book: Book, request: AccessRequest, stage: Stage) -> Iterator[Person]:
    """Yield the people whom roles.toml names for a stage, whether or not they may decide, in order; somebody with several accounts more than once."""
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
    return (person for person in found if person is not None)


def complete(filled_by: Seats, voted: frozenset[str]) -> bool:
    """Tell whether all of a stage have approved: as many people as could at most fill its seats, each one of them."""
    could = frozenset(person for able in filled_by.values() for person in able)
    return _most(filled_by, voted) == _most(filled_by, could)


def _most(filled_by: Seats, people: frozenset[str]) -> int:
    """Return how many seats these people fill at most, each one (augmenting paths)."""
    placed: dict[str, str] = {}  # person -> seat

    def place(seat: str, tried: set[str]) -> bool:
        for person in filled_by[seat]:
            if person in people and person not in tried:
                tried.add(person)
                if person not in placed or place(placed[person], tried):
                    placed[person] = seat
                    return True
        return False

    return sum(place(seat, set()) for seat in filled_by)


def feasible(stages: Sequence[tuple[Seats, bool]], used: frozenset[str]) -> bool:
    """Tell whether each stage (its seats, and whether all decide) can have people of its own, besides those who are `used`.

    Of a stage where all decide, deputies count as needed only for who can't decide themselves.
    """
    if not stages:
        return True
    (filled_by, everyone), *rest = stages
    people = frozenset(person for able in filled_by.values() for person in able) - used
    if everyone:
        needed = (each for person, able in filled_by.items() for each in ((person,) if person in able else able))
        return bool(people) and feasible(rest, used.union(needed))
    return any(feasible(rest, used | {person}) for person in sorted(people))
