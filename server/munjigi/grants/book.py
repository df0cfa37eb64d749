"""What a change is planned on: everything at one revision. A plan is a pure function of it, and is committed at that revision or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple, Protocol

from munjigi.grants.changes import Edit
from munjigi.grants.review_ports import Reviews
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.grant import Block, Grant, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.ids import record_id
from munjigi.policy.types import PolicyBundle


class Accounts(Protocol):
    """Accounts in order."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def since(self, start: EmployeeKey | None) -> Iterator[EmployeeKey]:
        """Iterate from `start` on; over all when it is None."""
        ...


class Holdings(Protocol):
    """Who holds what: the grant table, as far as plans look at it."""

    @property
    def revision(self) -> int:
        """The last revision that counts."""
        ...

    @property
    def blocks(self) -> frozenset[Block]:
        """Who is blocked."""
        ...

    def grant(self, grant_id: str) -> Grant | None:
        """Return the grant of this id."""
        ...

    def of(self, employee: EmployeeKey) -> tuple[Grant, ...]:
        """Return the grants of an account, whatever their period."""
        ...

    def person(self, employee: EmployeeKey) -> Person | None:
        """Return whose account this is."""
        ...

    def person_of(self, person_id: str) -> Person | None:
        """Return the person of this id."""
        ...

    def people(self) -> Iterator[Person]:
        """Iterate over all people, in no particular order."""
        ...

    def stood_in_for(self, person_id: str) -> Collection[str]:
        """Return the people (by id) who have named this person as a deputy, for whatever period; each once."""
        ...

    def holders(self, role: str, purpose: str) -> Accounts:
        """Return the accounts with a grant of this role for this purpose, whatever its period."""
        ...


class Book(NamedTuple):
    """Grants, people and policy at one revision, at `now` (UTC nanoseconds); requests are looked up one by one.

    `open_requests` are those for an account that are not decided. `log_id` is the log of permission records that is written, and
    `base` the revision before its first record, `reviews` what is known of reviews. A book that is only looked at lacks them.
    """

    holdings: Holdings
    bundle: PolicyBundle
    now: int
    request: Callable[[str], AccessRequest | None] = lambda _: None
    open_requests: Callable[[EmployeeKey], list[AccessRequest]] = lambda _: []
    log_id: str = ""
    base: int = 0
    reviews: Reviews | None = None

    def record(self, number: int) -> str:
        """Return the id of the record that the plan's edit of this number (from 0) gets."""
        return record_id(self.log_id, self.holdings.revision - self.base + number)

    def blocked(self, person: Person) -> bool:
        """Tell whether the control center has stopped a person."""
        return Block("person", person.person_id) in self.holdings.blocks

    def open_of(self, person: Person) -> list[AccessRequest]:
        """Return the undecided requests for all accounts of a person."""
        return [request for account in person.accounts for request in self.open_requests(account)]

    def grants_of(self, person: Person) -> list[Grant]:
        """Return the grants of all accounts of a person, whatever their period, in order."""
        return [grant for account in person.accounts for grant in self.holdings.of(account)]


class Plan(NamedTuple):
    """The edits to commit, and what the caller is answered."""

    edits: tuple[Edit, ...]
    answer: bytes
