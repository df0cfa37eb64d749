"""Who holds what, looked up in the store one by one: for whoever asks seldom and must not carry a table of millions about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, Connection, select, tuple_

from munjigi.adapters.state.grant_rows import grant_of
from munjigi.adapters.state.request_rows import read_blocks
from munjigi.adapters.state.rows import read_people
from munjigi.adapters.state.store import SqlStateStore
from munjigi.adapters.state.tables import ACCOUNT, FACT, ROLE_GRANT
from munjigi.grants.ports import RequestFilter
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.grant import Block, Grant, Person
from munjigi.kernel.identity import EmployeeKey

_PAGE: Final = 500
_KEPT: Final = 2_000  # answers of each kind
T = TypeVar("T")


class StoredHoldings:
    """Implements `grants.book.Holdings`, and all of `grants.notices.ports.Outlook` but what was said.

    For one look at things: what it was asked, it keeps, so that the next look takes another one. Every method raises `Unavailable`
    when the store can't be reached.
    """

    def __init__(self, store: SqlStateStore) -> None:
        self._store = store
        keep = lru_cache(_KEPT)
        self.of = keep(self._of)
        self.person = keep(self._person)
        self.person_of = keep(self._person_of)
        self.holders = keep(self._holders)

    @cached_property
    def revision(self) -> int:
        """The last committed revision."""
        return self._store.revision()

    @cached_property
    def blocks(self) -> frozenset[Block]:
        """Who is blocked."""
        return frozenset(self._look(read_blocks))

    def grant(self, grant_id: str) -> Grant | None:
        """Return the grant of this id."""
        return next(iter(self._grants(ROLE_GRANT.c.grant_id == grant_id)), None)

    def _of(self, employee: EmployeeKey) -> tuple[Grant, ...]:
        """Return the grants of an account, whatever their period, ordered by id."""
        columns = ROLE_GRANT.c
        return tuple(self._grants((columns.issuer == employee.issuer) & (columns.subject == employee.subject)))

    def _person(self, employee: EmployeeKey) -> Person | None:
        """Return whose account this is."""
        whose = select(ACCOUNT.c.person_id).where(ACCOUNT.c.issuer == employee.issuer, ACCOUNT.c.subject == employee.subject)

        def look(connection: Connection) -> list[Person]:
            found = connection.execute(whose).scalar_one_or_none()
            return [] if found is None else read_people(connection, [found])

        return next(iter(self._look(look)), None)

    def _person_of(self, person_id: str) -> Person | None:
        """Return the person of this id."""
        return next(iter(self._look(lambda connection: read_people(connection, [person_id]))), None)

    def people(self) -> Iterator[Person]:
        """Iterate over all people."""
        return iter(self._look(read_people))

    def stood_in_for(self, person_id: str) -> frozenset[str]:
        """Return the people who have named this person as a deputy, for whatever period."""
        return self._deputies.get(person_id, frozenset())

    @cached_property
    def _deputies(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for person in self.people():
            for each in person.delegations:
                found[each.person_id] = found.get(each.person_id, frozenset()) | {person.person_id}
        return found

    def _holders(self, role: str, purpose: str) -> StoredAccounts:
        """Return the accounts with a grant of this role for this purpose, whatever its period."""
        columns = ROLE_GRANT.c
        query = select(columns.issuer, columns.subject).distinct().order_by(columns.issuer, columns.subject)
        held = query.where(columns.role == role, columns.purpose == purpose)
        return StoredAccounts(self._look(lambda connection: [EmployeeKey(*row) for row in connection.execute(held)]))

    def ending(self, after: int, until: int) -> Iterator[Grant]:
        """Yield the grants that end within a period and were not ended before, a page at a time."""
        place = (after, "\U0010ffff")
        while True:
            mark = tuple_(ROLE_GRANT.c.ends_at, ROLE_GRANT.c.grant_id)
            page = self._grants((ROLE_GRANT.c.ended == "") & (ROLE_GRANT.c.ends_at <= until) & (mark > place), by_end=True)
            yield from page
            if len(page) < _PAGE:
                return
            place = (page[-1].ends_at, page[-1].grant_id)

    def lapsing(self, after: int, until: int) -> Iterator[Person]:
        """Yield the people with a fact that ends within a period, a page at a time."""
        query = select(FACT.c.person_id).distinct().where(FACT.c.ends_at > after, FACT.c.ends_at <= until)
        found: list[str] = self._look(lambda connection: list(connection.execute(query.order_by(FACT.c.person_id)).scalars()))
        for start in range(0, len(found), _PAGE):
            page = found[start : start + _PAGE]
            yield from self._look(lambda connection, page=page: read_people(connection, page))  # type: ignore[misc]

    def undecided(self) -> Iterator[AccessRequest]:
        """Yield the requests that nobody has closed, newest first, a page at a time."""
        place: tuple[int, str] | None = None
        while page := self._store.requests(RequestFilter("requested", None, place, _PAGE)):
            yield from page
            place = (page[-1].made_at, page[-1].access_request_id)

    def _grants(self, which: ColumnElement[bool], *, by_end: bool = False) -> list[Grant]:
        query = select(ROLE_GRANT).where(which).order_by(ROLE_GRANT.c.grant_id)
        if by_end:
            query = select(ROLE_GRANT).where(which).order_by(ROLE_GRANT.c.ends_at, ROLE_GRANT.c.grant_id).limit(_PAGE)
        return self._look(lambda connection: [grant_of(row) for row in connection.execute(query).mappings()])

    def _look(self, question: Callable[[Connection], T]) -> T:
        with self._store.reading() as connection:
            return question(connection)


class StoredAccounts:
    """Accounts in order; implements `grants.book.Accounts`."""

    def __init__(self, found: Sequence[EmployeeKey]) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def since(self, start: EmployeeKey | None) -> Iterator[EmployeeKey]:
        """Iterate from `start` on; over all when it is None."""
        return (each for each in self._found if start is None or each >= start)
