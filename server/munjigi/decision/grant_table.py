"""Who holds what, at one revision: immutable, and a new revision costs microseconds.

The store's revision log is replayed here change by change; a decision keeps the table that it
started with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from munjigi.decision.persistent import ShardedMap, SortedKeys
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.grant import Block, Grant, Person
from munjigi.kernel.identity import EmployeeKey, SessionEnd


class GrantPlace(NamedTuple):
    """Where a grant stands in the table's order; also the cursor of a page."""

    issuer: str
    subject: str
    grant_id: str

    @classmethod
    def of(cls, grant: Grant) -> GrantPlace:
        """Return the place of `grant`."""
        return cls(grant.employee.issuer, grant.employee.subject, grant.grant_id)


class _Parts(NamedTuple):
    held: ShardedMap[EmployeeKey, tuple[Grant, ...]]
    by_id: ShardedMap[str, Grant]
    employees: SortedKeys[EmployeeKey]
    holders: ShardedMap[tuple[str, str], SortedKeys[EmployeeKey]]  # by role and purpose
    accounts: ShardedMap[EmployeeKey, Person]
    people: ShardedMap[str, Person]
    person_ids: SortedKeys[str]
    stood_in: ShardedMap[str, frozenset[str]]  # by deputy: the people who have named them, for whatever period
    blocks: frozenset[Block]
    ends: ShardedMap[tuple[str, str, str], SessionEnd]  # by issuer and session, or issuer and subject


_ENDS: Final = 1024  # ends of sessions between two looks for those that have run out
_NOBODY: Final[SortedKeys[EmployeeKey]] = SortedKeys()
_NOT_ONE: Final[frozenset[str]] = frozenset()


class GrantTable:
    """All grants and people at `revision` (the store's dense integer). Grants of one employee are ordered by id.

    `held` has the grants of each account.
    """

    __slots__ = ("_parts", "blocks", "held", "revision")

    def __init__(self, parts: _Parts, revision: int) -> None:
        self._parts = parts
        self.held = parts.held
        self.blocks = parts.blocks
        self.revision = revision

    @classmethod
    def build(
        cls,
        grants: Iterable[Grant],
        people: Iterable[Person],
        revision: int,
        blocks: Iterable[Block] = (),
        ends: Iterable[SessionEnd] = (),
    ) -> GrantTable:
        """Make a table out of everything at once.

        Of grants (or people) with one id the last counts. Raises `FailedPrecondition` when two people
        claim one account (promise P9).
        """
        by_id = {grant.grant_id: grant for grant in grants}
        held: dict[EmployeeKey, list[Grant]] = {}
        for grant in by_id.values():
            held.setdefault(grant.employee, []).append(grant)
        by_person = {person.person_id: person for person in people}
        stood_in: dict[str, frozenset[str]] = {}
        accounts: dict[EmployeeKey, Person] = {}
        for person in by_person.values():
            for account in person.accounts:
                _claim(accounts.setdefault(account, person), person)
            for each in person.delegations:
                stood_in[each.person_id] = stood_in.get(each.person_id, _NOT_ONE) | {person.person_id}
        employees = sorted(held)
        holders: dict[tuple[str, str], list[EmployeeKey]] = {}
        for employee in employees:
            for of in {(grant.role, grant.purpose) for grant in held[employee]}:
                holders.setdefault(of, []).append(employee)
        parts = _Parts(
            held=ShardedMap((employee, _ordered(each)) for employee, each in held.items()),
            by_id=ShardedMap(by_id.items()),
            employees=SortedKeys.in_order(employees),
            holders=ShardedMap((of, SortedKeys.in_order(each)) for of, each in holders.items()),
            accounts=ShardedMap(accounts.items()),
            people=ShardedMap(by_person.items()),
            person_ids=SortedKeys.in_order(sorted(by_person)),
            stood_in=ShardedMap(stood_in.items()),
            blocks=frozenset(blocks),
            ends=ShardedMap((_end_key(end), end) for end in ends),
        )
        return cls(parts, revision)

    def __len__(self) -> int:
        return len(self._parts.by_id)

    def of(self, employee: EmployeeKey) -> tuple[Grant, ...]:
        """Return the grants of one account, whatever their period, ordered by id."""
        return self.held.get(employee) or ()

    def holders(self, role: str, purpose: str) -> SortedKeys[EmployeeKey]:
        """Return the accounts with a grant of this role for this purpose, whatever its period and scope."""
        return self._parts.holders.get((role, purpose)) or _NOBODY

    def person(self, employee: EmployeeKey) -> Person | None:
        """Return whose account this is."""
        return self._parts.accounts.get(employee)

    def person_of(self, person_id: str) -> Person | None:
        """Return the person of this id."""
        return self._parts.people.get(person_id)

    def blocked(self, employee: EmployeeKey, tool: str) -> bool:
        """Tell whether the tool or the person behind the account is blocked."""
        person = self.person(employee)
        return Block("tool", tool) in self.blocks or (person is not None and Block("person", person.person_id) in self.blocks)

    def session_ended(self, employee: EmployeeKey, session: str, issued_at: int) -> bool:
        """Tell whether a token of this account and session, issued then (UTC nanoseconds), is of a session that has ended."""
        person = self._parts.accounts.get(employee)
        if person is not None and issued_at < person.sessions_from:
            return True
        ends = self._parts.ends
        if not len(ends):
            return False
        issuer, subject = employee
        whole = ends.get((issuer, "subject", subject))
        return (whole is not None and issued_at <= whole.ended_at) or (
            session != "" and ends.get((issuer, "session", session)) is not None
        )

    def same_ends(self, other: GrantTable) -> bool:
        """Tell whether no session ended between two tables."""
        return self._parts.ends is other._parts.ends

    def grant(self, grant_id: str) -> Grant | None:
        """Return the grant of this id."""
        return self._parts.by_id.get(grant_id)

    def people(self) -> Iterator[Person]:
        """Iterate over all people, in no particular order."""
        return self._parts.people.values()

    def people_since(self, after: str) -> Iterator[Person]:
        """Iterate over the people whose id is greater, in its order."""
        known = self._parts.people
        for person_id in self._parts.person_ids.since(after):
            person = known.get(person_id)
            if person is not None and person_id != after:
                yield person

    def stood_in_for(self, person_id: str) -> frozenset[str]:
        """Return the people who have named this person as a deputy, for whatever period."""
        return self._parts.stood_in.get(person_id) or _NOT_ONE

    def __iter__(self) -> Iterator[Grant]:
        """Iterate over all grants ordered by issuer, subject and grant id."""
        return self.since(None)

    def since(self, after: GrantPlace | None) -> Iterator[Grant]:
        """Iterate in order over the grants behind `after`; over all when it is None."""
        start = None if after is None else EmployeeKey(after.issuer, after.subject)
        for employee in self._parts.employees.since(start):
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
        return self.with_grants((grant,), revision)

    def with_grants(self, grants: Iterable[Grant], revision: int) -> GrantTable:
        """Return the table in which grants are as given, one after the other: of one id the last counts."""
        return GrantTable(_changed(self._parts, {grant.grant_id: grant for grant in grants}), revision)

    def with_block(self, block: Block, revision: int) -> GrantTable:
        """Return the table in which this principal is blocked."""
        return GrantTable(self._parts._replace(blocks=self.blocks | {block}), revision)

    def without_block(self, block: Block, revision: int) -> GrantTable:
        """Return the table in which this principal is not blocked."""
        return GrantTable(self._parts._replace(blocks=self.blocks - {block}), revision)

    def with_session_end(self, end: SessionEnd, revision: int) -> GrantTable:
        """Return the table in which this session, or all of a subject, has ended. Now and then what has run out is let go."""
        ends = self._parts.ends
        if len(ends) % _ENDS == _ENDS - 1:
            ends = ShardedMap((_end_key(other), other) for other in ends.values() if other.until > end.ended_at)
        before = ends.get(_end_key(end))
        if before is None or before.ended_at < end.ended_at:
            ends = ends.with_item(_end_key(end), end)
        return GrantTable(self._parts._replace(ends=ends), revision)

    def at(self, revision: int) -> GrantTable:
        """Return the same table at a later revision: a change that concerns no grant."""
        return GrantTable(self._parts, revision)

    def without_grant(self, grant_id: str, revision: int) -> GrantTable:
        """Return the table without this grant; nothing but the revision changes if it has none."""
        return GrantTable(_changed(self._parts, {grant_id: None}), revision)

    def with_person(self, person: Person, revision: int) -> GrantTable:
        """Return the table in which `person` is as given. Raises as `with_people` does."""
        return self.with_people((person,), revision)

    def with_people(self, people: Iterable[Person], revision: int) -> GrantTable:
        """Return the table in which people are as given, one after the other; accounts they no longer have belong to nobody.

        Raises `FailedPrecondition` when another person has one of the accounts.
        """
        parts = self._parts
        known: dict[str, Person | None] = {}
        owners: dict[EmployeeKey, Person | None] = {}
        stood_in: dict[str, frozenset[str] | None] = {}
        for person in people:
            old = known.get(person.person_id) or parts.people.get(person.person_id)
            if person.delegations or (old is not None and old.delegations):
                _depute(parts.stood_in, stood_in, old, person)
            for account in old.accounts if old else ():
                owners[account] = None
            for account in person.accounts:
                holder = owners[account] if account in owners else parts.accounts.get(account)
                _claim(holder or person, person)
                owners[account] = person
            known[person.person_id] = person
        joined = [person_id for person_id in known if parts.people.get(person_id) is None]
        parts = parts._replace(
            accounts=parts.accounts.changed(owners),
            people=parts.people.changed(known),
            person_ids=parts.person_ids.with_keys(joined),
        )
        if stood_in:
            parts = parts._replace(stood_in=parts.stood_in.changed(stood_in))
        return GrantTable(parts, revision)


def _end_key(end: SessionEnd) -> tuple[str, str, str]:
    return (end.issuer, "session", end.session) if end.session else (end.issuer, "subject", end.subject)


def _ordered(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    return tuple(sorted(grants, key=lambda grant: grant.grant_id))


def _changed(parts: _Parts, by_id: Mapping[str, Grant | None]) -> _Parts:
    """Put grants in or take them out, by id; what many of them share is copied once."""
    held: dict[EmployeeKey, tuple[Grant, ...]] = {}
    for grant_id, grant in by_id.items():
        for employee in {each.employee for each in (parts.by_id.get(grant_id), grant) if each is not None}:
            before = held[employee] if employee in held else parts.held.get(employee) or ()
            rest = tuple(other for other in before if other.grant_id != grant_id)
            held[employee] = _ordered((*rest, grant)) if grant is not None and grant.employee == employee else rest
    employees, holders = parts.employees, dict[tuple[str, str], SortedKeys[EmployeeKey]]()
    for employee, after in held.items():
        had, has = _roles(parts.held.get(employee) or ()), _roles(after)
        for of in had ^ has:
            keys = holders[of] if of in holders else parts.holders.get(of) or _NOBODY
            holders[of] = keys.with_key(employee) if of in has else keys.without(employee)
        if not had or not has:
            employees = employees.with_key(employee) if has else employees.without(employee)
    return parts._replace(
        held=parts.held.changed({employee: after or None for employee, after in held.items()}),
        by_id=parts.by_id.changed(by_id),
        employees=employees,
        holders=parts.holders.changed({of: keys if len(keys) else None for of, keys in holders.items()}),
    )


def _roles(grants: Iterable[Grant]) -> set[tuple[str, str]]:
    return {(grant.role, grant.purpose) for grant in grants}


def _depute(
    known: ShardedMap[str, frozenset[str]], changed: dict[str, frozenset[str] | None], old: Person | None, person: Person
) -> None:
    """Note whose deputies are others now."""
    before = frozenset(each.person_id for each in old.delegations) if old is not None else _NOT_ONE
    after = frozenset(each.person_id for each in person.delegations)
    for deputy in before ^ after:
        of = (changed[deputy] if deputy in changed else known.get(deputy)) or _NOT_ONE
        changed[deputy] = (of | {person.person_id} if deputy in after else of - {person.person_id}) or None


def _claim(holder: Person, person: Person) -> None:
    if holder.person_id != person.person_id:
        raise FailedPrecondition("ACCOUNT_HAS_TWO_PEOPLE", "Two people claim one account; take it from one of them first.")
