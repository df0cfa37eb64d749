"""A `StateStore` in memory: the same rules, no disk."""

from __future__ import annotations

from collections.abc import Sequence

from munjigi.audit.segment import GENESIS
from munjigi.grants.changes import Change, Edit, State, check_origin
from munjigi.grants.ledger import Ledger
from munjigi.grants.permission_log import change_of, rows_of
from munjigi.grants.ports import LogHead, LogRow
from munjigi.kernel.errors import FailedPrecondition, NotFound, Unavailable


class MemoryStateStore:
    def __init__(self) -> None:
        self._ledger = Ledger()
        self._rows: list[LogRow] = []
        self._ended: list[LogHead] = []
        self._log_id = "m" * 20
        self._closed = False

    def migrate(self) -> None:
        self._open()

    def revision(self) -> int:
        return self._open().grant_revision

    def load(self) -> State:
        return self._open().state()

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

    def changes_since(self, revision: int) -> list[Change]:
        self._open()
        if revision > len(self._rows):
            raise FailedPrecondition("STATE_REWOUND", "Load again.")
        return [change_of(row) for row in self._rows[revision:]]

    def apply(self, edits: Sequence[Edit], *, at: int, actor: str, request_id: str) -> int:
        tried = self._open().copy()
        check_origin(at, actor, request_id)
        tried.apply(edits)
        stamped = max(at, self._rows[-1].at if self._rows else 0)
        first = len(self._rows) + 1
        changes = [Change(first + i, stamped, stamped != at, actor, request_id, edit) for i, edit in enumerate(edits)]
        head = self.log_head()
        self._rows += rows_of(changes, head.chain, head.base)
        self._ledger = tried
        return tried.grant_revision

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
