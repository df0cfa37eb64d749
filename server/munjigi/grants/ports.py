"""What the grant room needs from the outside: one store of state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol

from munjigi.grants.changes import Change, Edit, Once, State
from munjigi.grants.review_ports import Reviews
from munjigi.kernel.access_request import AccessRequest, RequestState
from munjigi.kernel.identity import EmployeeKey


def no_rest() -> None:
    """Go on without a pause."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One permission record: its place in its log and its time, its canonical bytes, and the chain up to it (32 bytes)."""

    index: int
    grant_revision: int
    at: int
    payload: bytes
    chain: bytes


class LogHead(NamedTuple):
    """Where a log of permission records stands: its id, the next index, and the chain over all before it.

    `base` is the grant revision before its first record: a log that was ended by a restore is followed by one that counts
    its own records from 0, while revisions go on.
    """

    log_id: str
    next_index: int
    chain: bytes
    base: int = 0


class RequestFilter(NamedTuple):
    """Which requests: those in a state (empty: any), for one of some accounts (None: any), made before (`made_at`, id), at most `limit`."""

    state: RequestState | Literal[""] = ""
    accounts: tuple[EmployeeKey, ...] | None = None
    before: tuple[int, str] | None = None
    limit: int = 100


class LeaseRow(NamedTuple):
    """The lease of one gateway worker, wherever it runs.

    `instance` is the id of its journal, `applied` the grant revision below which it answers nothing any more, `renewal` is
    another random number with each renewal, `length` how long each holds, in nanoseconds.
    """

    instance: str
    applied: int
    renewal: int
    length: int


class Leases(NamedTuple):
    """All leases, and after reading them: the last grant revision, and the store's clock (UTC nanoseconds)."""

    rows: tuple[LeaseRow, ...]
    grant_revision: int
    now: int


class LeaseStore(Protocol):
    """Where workers see each other's leases (promise P8). Every method raises `Unavailable` when the store can't be reached."""

    def leases(self) -> Leases:
        """Return all leases."""
        ...

    def renew_lease(self, row: LeaseRow) -> Leases:
        """Put a worker's lease in the place of its one before, commit, and return what `leases` does then.

        The revision is read after the commit: a revision that was acknowledged while nobody saw this renewal is among those.
        """
        ...

    def end_lease(self, row: LeaseRow) -> None:
        """Remove a lease, unless it was renewed since `row` was read."""
        ...


class DutyRow(NamedTuple):
    """Who does what is done once over a store.

    `holder` is a random name of one process, `fence` a number that grows by one with each take-over, `renewal` another random number
    with each renewal, `length` how long that holds, in nanoseconds; 0: the holder has left.
    """

    name: str
    holder: str
    fence: int
    renewal: int
    length: int


class DutyStore(Protocol):
    """Where hosts see who has a duty. Every method raises `Unavailable` when the store can't be reached."""

    def duty(self, name: str) -> DutyRow | None:
        """Return who has a duty; None when nobody ever had."""
        ...

    def replace_duty(self, row: DutyRow, over: DutyRow | None) -> DutyRow:
        """Put `row` in the place of `over`, unless something else stands there, commit, and return what stands there then.

        Raises `FailedPrecondition` when two are the first ever at once.
        """
        ...


class PermissionRows(Protocol):
    """The table of permission records, for those who only read it.

    Every method raises `Unavailable` when the store can't be reached or is closed.
    """

    @property
    def name(self) -> str:
        """What findings call it: a file's name, or the kind of database."""
        ...

    def log_heads(self) -> list[LogHead]:
        """Return where the logs stand, oldest first: those that were ended, and last the one that is written."""
        ...

    def log_head(self) -> LogHead:
        """Return where the log that is written stands."""
        ...

    def log_rows(self, after: int, limit: int) -> list[LogRow]:
        """Return at most `limit` rows after grant revision `after`, ascending, of whatever log, as they are: nothing is checked."""
        ...

    def load(self, *, whole: bool = True) -> State:
        """Return everything at one revision; without `whole` what decisions look at: neither requests nor reviews."""
        ...

    def close(self) -> None:
        """Let go of the store. Closing twice is fine."""
        ...


class Moment(Protocol):
    """The store at one moment: all that is asked of it is of one revision. Raises what the store's methods of these names raise."""

    def changes_since(self, revision: int, rest: Callable[[], None] = no_rest) -> list[Change]:
        """Return the changes after `revision`."""
        ...

    def remembered(self, issuer: str, actor: str, request_id: str) -> Once | None:
        """Return what an account's mutation of this idempotency key left behind."""
        ...

    def log_head(self) -> LogHead:
        """Return where the log that is written stands."""
        ...

    def request(self, access_request_id: str) -> AccessRequest | None:
        """Return the request of this id."""
        ...

    def requests(self, asked: RequestFilter) -> list[AccessRequest]:
        """Return requests, newest first."""
        ...

    @property
    def reviews(self) -> Reviews:
        """Reviews at this moment."""
        ...


class Turn(Moment, Protocol):
    """A writer's turn: nobody else commits until it ends, so what is read in it is what is written on."""

    @property
    def revision(self) -> int:
        """The last committed `grant_revision`."""
        ...

    def commit(
        self, edits: Sequence[Edit], *, at: int, actor: str, request_id: str, issuer: str = "", once: Once | None = None
    ) -> list[Change]:
        """Write all edits, once in a turn; they are committed when it ends, as `StateStore.commit` does."""
        ...


class StateStore(PermissionRows, Protocol):
    """People and grants, with the log of permission records that made them (`permission_log.py`).

    Every method raises `Unavailable` when the store can't be reached or is closed, and `Corruption` when its
    bytes are not what was written. Identifiers are compared by code point, with case.
    """

    def migrate(self) -> None:
        """Bring the schema to this code's version; nothing to do is cheap.

        Raises `ConfigurationError` when the store was written by newer code.
        """
        ...

    def revision(self) -> int:
        """Return the last committed `grant_revision`; 0 for a fresh store."""
        ...

    def load_at(self, revision: int) -> State:
        """Rebuild the table at a past revision out of the log.

        Raises `NotFound` when there is no such revision.
        """
        ...

    def revision_at(self, at: int) -> int:
        """Return the last revision committed at or before `at` (UTC nanoseconds); 0 before the first."""
        ...

    def changes_since(self, revision: int, rest: Callable[[], None] = no_rest) -> list[Change]:
        """Return the changes after `revision`, dense and ascending.

        Raises `FailedPrecondition` `STATE_REWOUND` when the store is older than `revision` (a restored backup):
        load everything again. `rest` is called between parts of many changes, so that a thread which reads them lets others work.
        """
        ...

    def moment(self) -> AbstractContextManager[Moment]:
        """Look at one moment several times."""
        ...

    def apply(
        self,
        edits: Sequence[Edit],
        *,
        at: int,
        actor: str,
        request_id: str,
        issuer: str = "",
        after: int | None = None,
        once: Once | None = None,
    ) -> int:
        """Commit all edits or none, durably, one revision each, and return the last revision.

        `at` is UTC nanoseconds, clamped to the log's last time. `issuer` and `actor` are the account that made the change. Their
        records are written in the same transaction, and `once` is remembered in it under the actor and `request_id`. With `after`
        the edits were made for that revision: the store being elsewhere, nothing is written and `FailedPrecondition`
        `STATE_MOVED` is raised. Raises what `munjigi.grants.changes` raises.
        """
        ...

    def commit(
        self,
        edits: Sequence[Edit],
        *,
        at: int,
        actor: str,
        request_id: str,
        issuer: str = "",
        after: int | None = None,
        once: Once | None = None,
    ) -> list[Change]:
        """Do what `apply` does, and return the changes as `changes_since` would."""
        ...

    def turn(self) -> AbstractContextManager[Turn]:
        """Take the turn among writers, all of whom wait until it ends: for what can't be planned before and still be true.

        Raises `Unavailable` `STATE_BUSY` when the turn did not come for seconds.
        """
        ...

    def remembered(self, issuer: str, actor: str, request_id: str) -> Once | None:
        """Return what an account's mutation of this idempotency key left behind within the last seven days."""
        ...

    def request(self, access_request_id: str) -> AccessRequest | None:
        """Return the request of this id."""
        ...

    def requests(self, asked: RequestFilter) -> list[AccessRequest]:
        """Return requests, newest first."""
        ...

    def keep_plan(self, content: bytes) -> str:
        """Keep a review's plan, durably, and return its digest: SHA-256, hex. The same again changes nothing.

        A review is opened on a plan that is kept, else `FailedPrecondition` `PLAN_NOT_KEPT` is raised.
        """
        ...

    def begin_log(self, log_id: str) -> LogHead:
        """End the log of permission records, for good, and begin another one under `log_id`; return what was ended.

        The records stay where they are, revisions go on. A restored store does this: the records that the lost one got
        afterwards have the names that would come next.
        """
        ...


_PAGE: Final = 1000  # requests


def undecided(store: Moment, employee: EmployeeKey) -> list[AccessRequest]:
    """Return the requests for an account that are not decided. Raises `Unavailable`."""
    found: list[AccessRequest] = []
    while True:
        before = (found[-1].made_at, found[-1].access_request_id) if found else None
        page = store.requests(RequestFilter("requested", (employee,), before, _PAGE))
        found += page
        if len(page) < _PAGE:
            return found
