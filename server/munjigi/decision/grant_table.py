"""Who holds what, at one revision: immutable, and a new revision costs microseconds.

The store's revision log is replayed here change by change; a decision keeps the table that it
started with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from munjigi.decision.persistent import ShardedMap, SortedKeys
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey


class GrantPlace(NamedTuple):
    """Where a grant stands in the table's order; also the cursor of a page."""

    issuer: str
    subject: str
    grant_id: str

    @classmethod
    def of(cls, grant: Grant) -> GrantPlace:
        """Return the place of `grant`."""
        return cls(grant.employee.issuer, grant.employee.subject, grant.grant_id)


def _grant_id(grant: Grant) -> str:
    return grant.grant_id


class GrantTable:
    """All grants and people at `revision` (the store's dense integer). Grants of one employee are ordered by id."""

    __slots__ = ("_accounts", "_by_id", "_employees", "_held", "_people", "revision")

    revision: int
    _held: ShardedMap[EmployeeKey, tuple[Grant, ...]]
    _by_id: ShardedMap[str, Grant]
    _employees: SortedKeys[EmployeeKey]
    _accounts: ShardedMap[EmployeeKey, Person]
    _people: ShardedMap[str, Person]

    @classmethod
    def build(cls, grants: Iterable[Grant], people: Iterable[Person], revision: int) -> GrantTable:
        """Make a table out of everything at once.

        Of grants (or people) with one id the last counts. Raises `FailedPrecondition` when two people
        claim one account (promise P9).
        """
        by_id = {grant.grant_id: grant for grant in grants}
        held: dict[EmployeeKey, list[Grant]] = {}
        for grant in by_id.values():
            held.setdefault(grant.employee, []).append(grant)
        table = cls.__new__(cls)
        table.revision = revision
        table._by_id = ShardedMap(by_id.items())
        table._held = ShardedMap((employee, tuple(sorted(each, key=_grant_id))) for employee, each in held.items())
        table._employees = SortedKeys(held)
        by_person = {person.person_id: person for person in people}
        accounts: dict[EmployeeKey, Person] = {}
        for person in by_person.values():
            for account in person.accounts:
                _claim(accounts.setdefault(account, person), person)
        table._people = ShardedMap(by_person.items())
        table._accounts = ShardedMap(accounts.items())
        return table

    def __len__(self) -> int:
        return len(self._by_id)

    def of(self, employee: EmployeeKey) -> tuple[Grant, ...]:
        """Return the grants of one account, whatever their period, ordered by id."""
        return self._held.get(employee) or ()

    def person(self, employee: EmployeeKey) -> Person | None:
        """Return whose account this is."""
        return self._accounts.get(employee)

    def grant(self, grant_id: str) -> Grant | None:
        """Return the grant of this id."""
        return self._by_id.get(grant_id)

    def people(self) -> Iterator[Person]:
        """Iterate over all people, in no particular order."""
        return self._people.values()

    def __iter__(self) -> Iterator[Grant]:
        """Iterate over all grants ordered by issuer, subject and grant id."""
        return self.since(None)

    def since(self, after: GrantPlace | None) -> Iterator[Grant]:
        """Iterate in order over the grants behind `after`; over all when it is None."""
        start = None if after is None else EmployeeKey(after.issuer, after.subject)
        for employee in self._employees.since(start):
            for grant in self.of(employee):
                if after is None or employee != start or grant.grant_id > after.grant_id:
                    yield grant

    def page(self, after: GrantPlace | None, limit: int) -> tuple[Grant, ...]:
        """Return at most `limit` grants behind `after`, in order, at a cost that depends on `limit` only."""
        found: list[Grant] = []
        if limit > 0:
            for grant in self.since(after):
                found.append(grant)
                if len(found) == limit:
                    break
        return tuple(found)

    def with_grant(self, grant: Grant, revision: int) -> GrantTable:
        """Return the table in which `grant` is as given (new, or instead of the one of the same id)."""
        table = self._without(grant.grant_id)
        table.revision = revision
        table._by_id = table._by_id.with_item(grant.grant_id, grant)
        held = (*table.of(grant.employee), grant)
        table._held = table._held.with_item(grant.employee, tuple(sorted(held, key=_grant_id)))
        table._employees = table._employees.with_key(grant.employee)
        return table

    def without_grant(self, grant_id: str, revision: int) -> GrantTable:
        """Return the table without this grant; nothing but the revision changes if it has none."""
        table = self._without(grant_id)
        table.revision = revision
        return table

    def with_person(self, person: Person, revision: int) -> GrantTable:
        """Return the table in which `person` is as given; accounts they no longer have belong to nobody.

        Raises `FailedPrecondition` when another person has one of the accounts.
        """
        table = self._copy()
        table.revision = revision
        old = self._people.get(person.person_id)
        for account in old.accounts if old else ():
            table._accounts = table._accounts.without(account)
        for account in person.accounts:
            _claim(table._accounts.get(account) or person, person)
            table._accounts = table._accounts.with_item(account, person)
        table._people = table._people.with_item(person.person_id, person)
        return table

    def _without(self, grant_id: str) -> GrantTable:
        table = self._copy()
        grant = self._by_id.get(grant_id)
        if grant is None:
            return table
        table._by_id = self._by_id.without(grant_id)
        rest = tuple(other for other in self.of(grant.employee) if other.grant_id != grant_id)
        if rest:
            table._held = self._held.with_item(grant.employee, rest)
        else:
            table._held = self._held.without(grant.employee)
            table._employees = self._employees.without(grant.employee)
        return table

    def _copy(self) -> GrantTable:
        table = GrantTable.__new__(GrantTable)
        for name in GrantTable.__slots__:
            setattr(table, name, getattr(self, name))
        return table


def _claim(holder: Person, person: Person) -> None:
    if holder.person_id != person.person_id:
        raise FailedPrecondition("ACCOUNT_HAS_TWO_PEOPLE", "Two people claim one account; take it from one of them first.")
