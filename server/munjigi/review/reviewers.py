"""Who may decide an item of a review (rule R14): its role's owners, or who stands above where they can't or don't.

People count, not accounts. Who holds the grant decides nothing about it, nor does who edits policy, in their own name or as a deputy.
As time goes by more people may: from the review's `escalate_at` on managers, from `office_at` on the privacy office, which is
whoever may operate on `munjigi.review`. Where nobody of one circle is there, the next one may at once. Accesses are looked at by the office.
"""

from __future__ import annotations

from collections.abc import Iterable

from munjigi.grants.book import Book
from munjigi.grants.deciders import deciders_of, edits_policy, may_decide
from munjigi.grants.notices import circle
from munjigi.kernel.errors import PermissionDenied
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import PlannedItem, Review

_Seats = dict[str, tuple[str, ...]]


class Reviewers:
    """Who may decide which items of one review now. Asked for many items, it looks at each role and person once."""

    def __init__(self, book: Book, review: Review) -> None:
        self._book = book
        self._review = review
        self._able: dict[str, bool] = {}
        self._owners: dict[tuple[str, str], list[Person]] = {}
        self._offices: list[Person] | None = None

    def of(self, item: PlannedItem, *, second: bool = False) -> dict[str, str]:
        """Return who may decide an item, by person id: in whose stead, or empty for their own word.

        A `second` look is not left to the owners alone: managers and the office may give it at once.
        """
        if item.access is not None:
            return self._looking(item)
        now, schedule = self._book.now, self._review.schedule
        owners = self._owners_of(item)
        escalated = second or now >= schedule.escalate_at
        seats = self._seats(owners, item.person_id, above=escalated)
        if not seats or escalated:
            seats |= self._seats(self._above([item.person_id]), item.person_id, above=False)
        if not seats or second or now >= schedule.office_at:
            seats |= self._seats(self._office(), item.person_id, above=False)
        return deciders_of(seats)

    def _looking(self, item: PlannedItem) -> dict[str, str]:
        """Return who may look at an access: the privacy office; where its own is looked at and nobody else is there, who stands above."""
        person = self._book.holdings.person(item.employee)  # an account may have become somebody's since
        holder = person.person_id if person is not None else item.person_id
        office = self._seats(self._office(), holder, above=False)
        return deciders_of(office or self._seats(self._above([holder]), holder, above=False))

    def owners(self, item: PlannedItem) -> list[Person]:
        """Return who owns the item's role, whether or not they may decide."""
        return self._owners_of(item)

    def _seats(self, named: Iterable[Person], holder: str, *, above: bool) -> _Seats:
        """Return who may fill the seat of each who is named: they, their deputies, and their managers where `above`."""
        found: _Seats = {}
        for person in named:
            if person.status == "left" or self._book.blocked(person) or person.person_id == holder or self._edits(person):
                continue
            deputies = [each.person_id for each in person.delegations if each.starts_at <= self._book.now < each.ends_at]
            managers = [each.person_id for each in self._above([person.person_id])] if above else []
            able = tuple(each for each in (person.person_id, *deputies, *managers) if each != holder and self._may(each))
            if able:
                found[person.person_id] = able
        return found

    def _may(self, person_id: str) -> bool:
        known = self._able.get(person_id)
        if known is None:
            person = self._book.holdings.person_of(person_id)
            known = self._able[person_id] = person is not None and may_decide(self._book, person, frozenset())
        return known

    def _edits(self, person: Person) -> bool:
        return not self._may(person.person_id) and edits_policy(self._book, person)

    def _above(self, people: Iterable[str]) -> list[Person]:
        holdings = self._book.holdings
        managers = (person.manager for each in people if (person := holdings.person_of(each)) is not None and person.manager)
        return [person for each in managers if (person := holdings.person_of(each)) is not None]

    def _owners_of(self, item: PlannedItem) -> list[Person]:
        key = (item.employee.issuer, item.role)
        known = self._owners.get(key)
        if known is None:
            role = self._book.bundle.roles.get(item.role)
            # An owner is named by subject: the account is the one under the holder's issuer.
            accounts = (EmployeeKey(key[0], owner) for owner in (role.owners if role else ()))
            people = (self._book.holdings.person(account) for account in accounts)
            known = self._owners[key] = list({person.person_id: person for person in people if person is not None}.values())
        return known

    def _office(self) -> list[Person]:
        if self._offices is None:
            self._offices = circle.operating(self._book, circle.REVIEWS)
        return self._offices


def check_reviewer(book: Book, item: PlannedItem, person: Person, able: dict[str, str]) -> None:
    """Refuse who may not decide an item, and say why. Raises `PermissionDenied`."""
    if person.person_id == item.person_id:
        raise PermissionDenied("SELF_REVIEW", "Nobody decides about what they hold or did themselves, with whatever account.")
    if person.person_id in able:
        return
    if edits_policy(book, person):
        raise PermissionDenied("POLICY_EDITOR", "Who edits policy does not decide who gets access by it.")
    raise PermissionDenied("NOT_A_REVIEWER", f"Item {item.number} of this review is for others to decide.")
