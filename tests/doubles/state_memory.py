"""A `StateStore` in memory: the same rules, no disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from doubles.reviews_memory import MemoryReviews
from munjigi.audit.segment import GENESIS
from munjigi.grants.changes import Change, Edit, Once, State, check_origin
from munjigi.grants.ledger import Ledger
from munjigi.grants.permission_log import rows_of
from munjigi.grants.ports import LogHead, LogRow, RequestFilter, no_rest
from munjigi.grants.records import change_of
from munjigi.grants.review_edits import NO_REVIEWS, ReviewEdit
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.errors import FailedPrecondition, NotFound, Unavailable


class MemoryStateStore:
    name = "memory"

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._rows: list[LogRow] = []
        self._ended: list[LogHead] = []
        self._log_id = "m" * 20
        self._closed = False
        self._mutations: dict[tuple[str, str, str], Once] = {}
        self._plans: dict[str, bytes] = {}

    def migrate(self) -> None:
        self._open()

    def revision(self) -> int:
        return self._open().grant_revision

    def load(self, *, whole: bool = True) -> State:
        state = self._open().state()
        return state if whole else state._replace(requests=[], reviews=NO_REVIEWS)

    @property
    def reviews(self) -> MemoryReviews:
        return MemoryReviews(self._open().state().reviews, self._plans)

    def keep_plan(self, content: bytes) -> str:
        self._open()
        digest = hashlib.sha256(content).hexdigest()
        self._plans[digest] = content
        return digest

    def load_at(self, revision: int) -> State:
        self._open()
        if not 0 <= revision <= len(self._rows):
            raise NotFound("REVISION_UNKNOWN", "No such revision.")
        ledger = Ledger()
        ledger.apply(change_of(row).edit for row in self._rows[:revision])
        return ledger.state()

    def revision_at(self, at: int) -> int:
        self._open()
        return max((row.grant_revision for row in self._rows if row.at <= at), default=0)

    def changes_since(self, revision: int, rest: Callable[[], None] = no_rest) -> list[Change]:
        self._open()
        if revision > len(self._rows):
            raise FailedPrecondition("STATE_REWOUND", "Load again.")
        return [change_of(row) for row in self._rows[revision:]]

    @contextmanager
    def moment(self) -> Iterator[MemoryStateStore]:
        self._open()
        yield self

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
        changes = self.commit(edits, at=at, actor=actor, request_id=request_id, issuer=issuer, after=after, once=once)
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
        tried = self._open().copy()
        check_origin(at, actor, request_id)
        if after is not None and after != tried.grant_revision:
            raise FailedPrecondition("STATE_MOVED", "Another change came first.")
        if once is not None and (issuer, actor, request_id) in self._mutations:
            raise FailedPrecondition("STATE_CONFLICT", "Another change came first.")
        opened = (edit.review for edit in edits if isinstance(edit, ReviewEdit) and edit.kind == "review_opened")
        tried.apply(edits)
        if any(review.plan_digest not in self._plans for review in opened):
            raise FailedPrecondition("PLAN_NOT_KEPT", "Keep it first.")
        stamped = max(at, self._rows[-1].at if self._rows else 0)
        first = len(self._rows) + 1
        changes = [Change(first + i, stamped, stamped != at, actor, request_id, edit, issuer) for i, edit in enumerate(edits)]
        head = self.log_head()
        self._rows += rows_of(changes, head.chain, head.base)
        self._ledger = tried
        if once is not None:
            self._mutations[issuer, actor, request_id] = once
        return changes

    @contextmanager
    def turn(self) -> Iterator[MemoryTurn]:
        self._open()
        yield MemoryTurn(self)

    def remembered(self, issuer: str, actor: str, request_id: str) -> Once | None:
        self._open()
        return self._mutations.get((issuer, actor, request_id))

    def request(self, access_request_id: str) -> AccessRequest | None:
        return self._open().request(access_request_id)

    def requests(self, asked: RequestFilter) -> list[AccessRequest]:
        found = sorted(self._open().state().requests, key=lambda each: (each.made_at, each.access_request_id), reverse=True)
        return [
            each
            for each in found
            if (not asked.state or each.state == asked.state)
            and (asked.accounts is None or each.employee in asked.accounts)
            and (asked.before is None or (each.made_at, each.access_request_id) < asked.before)
        ][: asked.limit]

    def log_head(self) -> LogHead:
        self._open()
        base = sum(head.next_index for head in self._ended)
        count = len(self._rows) - base
        return LogHead(self._log_id, count, self._rows[-1].chain if count else GENESIS, base)

    def log_heads(self) -> list[LogHead]:
        return [*self._ended, self.log_head()]

    def begin_log(self, log_id: str) -> LogHead:
        ended = self.log_head()
        self._ended.append(ended)
        self._log_id = log_id
        return ended

    def log_rows(self, after: int, limit: int) -> list[LogRow]:
        self._open()
        return self._rows[after : after + limit]

    def close(self) -> None:
        self._closed = True

    def _open(self) -> Ledger:
        if self._closed:
            raise Unavailable("STATE_UNREACHABLE", "Closed.")
        return self._ledger


class MemoryTurn:
    """A store in one thread is always its turn."""

    def __init__(self, store: MemoryStateStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def revision(self) -> int:
        return self._store.revision()
