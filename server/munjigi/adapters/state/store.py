"""The state store over any database that SQLAlchemy speaks to: people, grants, the log of permission records, `apply`.

Revisions are dense and in commit order: a writer takes the one head row before anything else, and keeps it until its commit.
So what its rules looked up is still true then. The permission records are rows of the same transaction
(`grants/permission_log.py`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Engine, Executable, Update, func, insert, select, update

from munjigi.adapters.state.database import SqlDatabase
from munjigi.adapters.state.duties import read_duty, replace_duty
from munjigi.adapters.state.leases import read_leases, remove_lease, store_clock, write_lease
from munjigi.adapters.state.log_rows import MOVE, changes_of, corrupt, head_of, locked_head, log_heads, rows_after
from munjigi.adapters.state.moment import StoredMoment
from munjigi.adapters.state.request_rows import read_blocks, read_request, read_requests, remembered
from munjigi.adapters.state.review_rows import keep_plan, read_all_reviews
from munjigi.adapters.state.rows import read_grants, read_people
from munjigi.adapters.state.schema import STATE
from munjigi.adapters.state.session_rows import read_session_ends
from munjigi.adapters.state.tables import ENDED_LOG, HEAD, PERMISSION_LOG
from munjigi.adapters.state.transfer import copy_rows
from munjigi.adapters.state.turn import StoredTurn
from munjigi.audit.segment import GENESIS
from munjigi.grants.changes import Change, Edit, Once, State, check_origin
from munjigi.grants.ledger import Ledger
from munjigi.grants.ports import DutyRow, LeaseRow, Leases, LogHead, LogRow, RequestFilter, no_rest
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import FailedPrecondition, MunjigiError, NotFound

_FORGET_EVERY: Final = 60 * SECOND  # between looks for answers of mutations that are old enough to be forgotten
_LAST_TIME: Final = 2**63 - 1  # nanoseconds


class SqlStateStore(SqlDatabase):
    """People, grants and the log of permission records in tables; implements `StateStore`."""

    def __init__(self, engine: Engine, *, synthetic: bool = False) -> None:
        """Keep the engine; nothing is opened yet. `synthetic`: every permission record says that it is none of a real company."""
        super().__init__(engine)
        self._synthetic = synthetic
        self._moving = self._telling(MOVE)
        self._forgot_at = 0

    @abstractmethod
    def _telling(self, moved: Update) -> Executable:
        """Let the statement that moves the head wake other processes at its commit; they look by themselves, too, later."""

    def migrate(self) -> None:
        """Bring the schema to this code's version.

        Raises `ConfigurationError` when newer code wrote the file.
        """
        self.bring(STATE)

    def revision(self) -> int:
        """Return the last committed revision."""
        with self._transaction("read") as connection:
            return head_of(connection)

    def load(self, *, whole: bool = True) -> State:
        """Return everything at one revision, without `whole` neither requests nor reviews."""
        with self._transaction("read") as connection:
            tables = (read_grants(connection), read_people(connection), head_of(connection))
            requests = read_requests(connection) if whole else []
            state = State(*tables, read_blocks(connection), requests, read_session_ends(connection))
            return state._replace(reviews=read_all_reviews(connection)) if whole else state

    def load_at(self, revision: int) -> State:
        """Rebuild the table at a past revision.

        Raises `NotFound` when there is no such revision, `Corruption` when the log does not replay.
        """
        with self._transaction("read") as connection:
            if not 0 <= revision <= head_of(connection):
                raise NotFound("REVISION_UNKNOWN", "The store has no such grant revision; ask for one up to its last.")
            changes = changes_of(connection, 0, revision)
        ledger = Ledger()
        try:
            ledger.apply(change.edit for change in changes)
        except MunjigiError:
            raise corrupt("has a log of permission records that does not replay") from None
        return ledger.state()

    def revision_at(self, at: int) -> int:
        """Return the last revision committed at or before `at`; 0 before the first."""
        with self._transaction("read") as connection:
            last = select(func.max(PERMISSION_LOG.c.grant_revision)).where(PERMISSION_LOG.c.at <= min(at, _LAST_TIME))
            return int(connection.execute(last).scalar_one_or_none() or 0)

    def changes_since(self, revision: int, rest: Callable[[], None] = no_rest) -> list[Change]:
        """Return the changes after `revision`.

        Raises `FailedPrecondition` when the store is older than `revision`.
        """
        with self.moment() as moment:
            return moment.changes_since(revision, rest)

    @contextmanager
    def moment(self) -> Iterator[StoredMoment]:
        """Look at one moment several times."""
        with self._transaction("read") as connection:
            yield StoredMoment(connection)

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
        """Commit all edits or none and return the last revision. Raises what `commit` raises."""
        origin = {"at": at, "actor": actor, "request_id": request_id, "issuer": issuer}
        changes = self.commit(edits, after=after, once=once, **origin)  # type: ignore[arg-type]  # each has its own type
        return changes[-1].grant_revision if changes else self.revision()

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
        """Commit all edits or none and return them as changes.

        Raises `FailedPrecondition` `STATE_MOVED`, and what `munjigi.grants.changes` raises.
        """
        check_origin(at, actor, request_id)
        with self.turn() as turn:
            if after is not None and after != turn.revision:
                raise FailedPrecondition("STATE_MOVED", "Another change came first; read the state again and retry.")
            return turn.commit(edits, at=at, actor=actor, request_id=request_id, issuer=issuer, once=once)

    @contextmanager
    def turn(self) -> Iterator[StoredTurn]:
        """Take the turn among writers; what is written is committed with the block."""
        with self._transaction("write") as connection:
            yield StoredTurn(connection, self._moving, self._forgets, synthetic=self._synthetic)

    def remembered(self, issuer: str, actor: str, request_id: str) -> Once | None:
        """Return what a mutation of this idempotency key left behind."""
        with self._transaction("read") as connection:
            return remembered(connection, issuer, actor, request_id)

    def request(self, access_request_id: str) -> AccessRequest | None:
        """Return the request of this id."""
        with self._transaction("read") as connection:
            return read_request(connection, access_request_id)

    def requests(self, asked: RequestFilter) -> list[AccessRequest]:
        """Return requests, newest first."""
        with self._transaction("read") as connection:
            return read_requests(connection, asked)

    def keep_plan(self, content: bytes) -> str:
        """Keep a review's plan, and return its digest."""
        with self._transaction("write") as connection:
            return keep_plan(connection, content)

    def begin_log(self, log_id: str) -> LogHead:
        """End the log, and begin another one under `log_id`; return what was ended."""
        with self._transaction("write") as connection:
            locked_head(connection)
            ended = log_heads(connection)[-1]
            values = {"log_id": ended.log_id, "base": ended.base, "grant_revision": ended.base + ended.next_index}
            connection.execute(insert(ENDED_LOG).values(**values, chain=ended.chain))
            connection.execute(update(HEAD).values(log_id=log_id, base=values["grant_revision"], chain=GENESIS))
        return ended

    def log_heads(self) -> list[LogHead]:
        """Return where the logs of permission records stand."""
        with self._transaction("read") as connection:
            return log_heads(connection)

    def log_head(self) -> LogHead:
        """Return where the log that is written stands."""
        return self.log_heads()[-1]

    def log_rows(self, after: int, limit: int) -> list[LogRow]:
        """Return rows as they are."""
        with self._transaction("read") as connection:
            return rows_after(connection, after, limit)

    def leases(self) -> Leases:
        """Return all leases, and then revision and clock."""
        with self._transaction("read") as connection:
            return Leases(read_leases(connection), head_of(connection), store_clock(connection))

    def renew_lease(self, row: LeaseRow) -> Leases:
        """Put a worker's lease in the place of its one before; what is returned is read in a transaction after its commit."""
        with self._transaction("write") as connection:
            write_lease(connection, row)
        return self.leases()

    def end_lease(self, row: LeaseRow) -> None:
        """Remove a lease, unless it was renewed since."""
        with self._transaction("write") as connection:
            remove_lease(connection, row)

    def duty(self, name: str) -> DutyRow | None:
        """Return who has a duty."""
        with self._transaction("read") as connection:
            return read_duty(connection, name)

    def replace_duty(self, row: DutyRow, over: DutyRow | None) -> DutyRow:
        """Put `row` in the place of `over`, unless something else stands there."""
        with self._transaction("write") as connection:
            return replace_duty(connection, row, over)

    def copy_to(self, target: SqlStateStore) -> None:
        """Copy everything, as of one moment, into an empty store.

        Raises `FailedPrecondition` when the target is not empty, or one of the two is of another version than this code.
        """
        with self._transaction("read") as ours, target._transaction("write") as theirs:
            if {self._schema_version(ours, STATE), target._schema_version(theirs, STATE)} != {STATE.versions[-1]}:
                raise FailedPrecondition(
                    "STATE_OTHER_VERSION", "The state store is of an older version; start munjigi once, which migrates it."
                )
            copy_rows(ours, theirs)

    def _forgets(self, at: int) -> bool:
        """Tell whether it is time to forget answers of mutations, once for each time that it is."""
        if abs(at - self._forgot_at) < _FORGET_EVERY:
            return False
        self._forgot_at = at
        return True
