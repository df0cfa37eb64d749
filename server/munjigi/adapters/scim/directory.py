"""Users of the directory are people here: each request becomes personnel events, planned and committed as one.

A person is the directory's as long as the directory's own name is among the accounts. DELETE is a leaver of whom the directory then
knows nothing any more; whoever is known here by other ways is taken over by the first POST.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import orjson

from munjigi.adapters.scim.discovery import PAGE, listing
from munjigi.adapters.scim.filters import Term
from munjigi.adapters.scim.ports import Registry
from munjigi.adapters.scim.refusals import Refused
from munjigi.adapters.scim.users import AccountAttribute, User, directory_account, resource_of, shown, version_of
from munjigi.grants.book import Book, Holdings, Plan
from munjigi.grants.personnel import Personnel, PersonnelEvent
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import DIRECTORY_ISSUER, EmployeeKey

SOURCE: Final = "scim"
Change = Callable[[User], User]


class Found(NamedTuple):
    """A person as a user."""

    person: Person
    user: User


class Directory:
    """Implements what SCIM's Users can be asked. `issuer` is whose employees sign in, `attribute` what their subject is."""

    def __init__(self, registry: Registry, issuer: str, attribute: AccountAttribute) -> None:
        self._registry = registry
        self._issuer = issuer
        self._attribute: AccountAttribute = attribute

    async def get(self, person_id: str) -> dict[str, Any]:
        """Return a user. Raises `Refused` 404."""
        found = self._known(await self._registry.newest(), person_id)
        return resource_of(person_id, found.user)

    async def search(self, terms: tuple[Term, ...], start: int, count: int) -> dict[str, Any]:
        """Return a page of the users of whom all terms hold, by id."""
        return await asyncio.to_thread(self._search, await self._registry.newest(), terms, start, count)

    def _search(self, holdings: Holdings, terms: tuple[Term, ...], start: int, count: int) -> dict[str, Any]:
        people = self._candidates(holdings, terms)
        found = [each for each in map(self._as_user, people) if each is not None]
        found = [each for each in found if all(term.holds(each.person.person_id, each.user) for term in terms)]
        found.sort(key=lambda each: each.person.person_id)
        start, count = max(start, 1), max(0, min(count, PAGE))
        page = found[start - 1 : start - 1 + count]
        return listing([resource_of(each.person.person_id, each.user) for each in page], len(found), start)

    async def create(self, user: User) -> dict[str, Any]:
        """Bring a user, and return it. Raises `Refused` 409 for one who is here."""
        subject = user.account(self._attribute)
        if not user.user_name:
            raise Refused("invalidValue", "`userName` is required.")
        new_id = user.employee_number or f"scim.{secrets.token_hex(10)}"

        def plan(book: Book) -> Plan:
            account = EmployeeKey(self._issuer, subject)
            person = book.holdings.person(account) or book.holdings.person_of(new_id)
            if person is not None and self._as_user(person) is not None and person.status != "left":
                raise Refused("uniqueness", "This user is here already; look for it with a filter.", 409)
            person_id = person.person_id if person is not None else new_id
            if user.employee_number and user.employee_number != person_id:
                raise Refused("uniqueness", "The account is of a person with another personnel number.", 409)
            known = directory_account(person_id, user.other(self._attribute))
            if (owner := book.holdings.person(known)) is not None and owner.person_id != person_id:
                raise Refused("uniqueness", "Another user has this name in the directory.", 409)
            events = self._arrival(person, _event(person_id), user, (account, known))
            return self._plan(book, person_id, events)

        return self._answer(await self._registry.change(plan, urgent=False))

    async def change(self, person_id: str, change: Change, expected: str) -> dict[str, Any]:
        """Change a user, and return it. `expected`: the versions of If-Match, or empty. Raises `Refused`."""

        def plan(book: Book) -> Plan:
            found = self._known(book.holdings, person_id)
            _match(found.user, expected)
            return self._plan(book, person_id, self._events(found, change(found.user)))

        return self._answer(await self._registry.change(plan, urgent=True))

    async def delete(self, person_id: str, expected: str) -> None:
        """Let a user go: a leaver. Raises `Refused`."""

        def plan(book: Book) -> Plan:
            found = self._known(book.holdings, person_id)
            _match(found.user, expected)
            leaver, forgotten = (
                _event(person_id),
                tuple(each for each in found.person.accounts if each.issuer == DIRECTORY_ISSUER),
            )
            events = (leaver._replace(kind="account", dropped=forgotten), leaver._replace(kind="leaver"))
            return Plan(tuple(_planned(book, events if found.user.active else events[:1]).edits), b"")

        await self._registry.change(plan, urgent=True)

    def _arrival(
        self, person: Person | None, event: PersonnelEvent, user: User, accounts: tuple[EmployeeKey, ...]
    ) -> Iterable[PersonnelEvent]:
        placed = event._replace(department=user.department, manager=user.manager, accounts=accounts)
        if person is None or person.status == "left":
            yield placed._replace(dropped=() if person is None else self._old_names(person, accounts))
        else:  # known by other ways
            yield placed._replace(kind="account", department=None, manager=None)
            yield placed._replace(kind="mover", accounts=())
        if user.active is False:
            yield event._replace(kind="leaver")

    def _old_names(self, person: Person, accounts: tuple[EmployeeKey, ...]) -> tuple[EmployeeKey, ...]:
        return tuple(each for each in person.accounts if each.issuer == DIRECTORY_ISSUER and each not in accounts)

    def _events(self, found: Found, wanted: User) -> Iterable[PersonnelEvent]:
        person, user, event = found.person, found.user, _event(found.person.person_id)
        if wanted.account(self._attribute) != user.account(self._attribute):
            raise Refused(
                "mutability", f"`{self._attribute}` is the account here, and never changes; delete the user and make another."
            )
        if wanted.other(self._attribute) != user.other(self._attribute):
            known = directory_account(person.person_id, wanted.other(self._attribute))
            yield event._replace(kind="account", accounts=(known,), dropped=self._old_names(person, (known,)))
        placed = event._replace(department=wanted.department, manager=wanted.manager)
        if wanted.active is False:
            if user.active:
                yield event._replace(kind="leaver")
        elif not user.active:
            yield placed
        elif (wanted.department, wanted.manager) != (user.department, user.manager):
            yield placed._replace(kind="mover")

    def _plan(self, book: Book, person_id: str, events: Iterable[PersonnelEvent]) -> Plan:
        planner = _planned(book, events)
        person = planner.person(person_id)
        found = self._as_user(person) if person is not None else None
        assert found is not None
        return Plan(tuple(planner.edits), orjson.dumps(resource_of(person_id, found.user)))

    def _answer(self, content: bytes) -> dict[str, Any]:
        resource: dict[str, Any] = orjson.loads(content)
        return resource

    def _known(self, holdings: Holdings, person_id: str) -> Found:
        person = holdings.person_of(person_id)
        found = self._as_user(person) if person is not None else None
        if found is None:
            raise Refused("", "There is no user with this id.", 404)
        return found

    def _as_user(self, person: Person) -> Found | None:
        user = shown(person, self._issuer, self._attribute)
        return Found(person, user) if user is not None else None

    def _candidates(self, holdings: Holdings, terms: tuple[Term, ...]) -> Iterable[Person]:
        """Return who may be meant: one where a term names one, else everybody."""
        names = ("user_name", "external_id") if self._attribute == "userName" else ("external_id", "user_name")
        for term in terms:
            if not isinstance(term.value, str):
                continue
            if term.field in ("id", "employee_number"):
                one = holdings.person_of(term.value)
            elif term.field == names[0]:
                one = holdings.person(EmployeeKey(self._issuer, term.value))
            elif term.field == names[1]:
                one = holdings.person(EmployeeKey(DIRECTORY_ISSUER, term.value))
                if one is None and term.field == "user_name":  # known without one: shown as the account's
                    one = holdings.person(EmployeeKey(self._issuer, term.value))
            else:
                continue
            return () if one is None else (one,)
        return holdings.people()


def _event(person_id: str) -> PersonnelEvent:
    return PersonnelEvent("joiner", person_id, SOURCE)


def _planned(book: Book, events: Iterable[PersonnelEvent]) -> Personnel:
    planner = Personnel(book)
    for event in events:
        planner.apply(event)
    return planner


def _match(user: User, expected: str) -> None:
    """Refuse a change of a user who is not as the client has read it."""
    if expected and expected.strip() != "*" and version_of(user) not in [each.strip() for each in expected.split(",")]:
        raise Refused("", "The user has changed since it was read; read it again.", 412)
