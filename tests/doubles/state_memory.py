"""A `StateStore` in memory: the same rules, no disk."""

from __future__ import annotations

from collections.abc import Sequence

from munjigi.grants.changes import Change, Edit, State, check_origin
from munjigi.grants.ledger import Ledger
from munjigi.kernel.errors import FailedPrecondition, NotFound, Unavailable


class MemoryStateStore:
    def __init__(self) -> None:
        self._ledger = Ledger()
        self._log: list[Change] = []
        self._closed = False

    def migrate(self) -> None:
        self._open()

    def revision(self) -> int:
        return self._open().grant_revision

    def load(self) -> State:
        return self._open().state()

    def load_at(self, revision: int) -> State:
        self._open()
        if not 0 <= revision <= len(self._log):
            raise NotFound("REVISION_UNKNOWN", "No such revision.")
        ledger = Ledger()
        ledger.apply(change.edit for change in self._log[:revision])
        return ledger.state()

    def revision_at(self, at: int) -> int:
        self._open()
        return max((change.grant_revision for change in self._log if change.at <= at), default=0)

    def changes_since(self, revision: int) -> list[Change]:
        self._open()
        if revision > len(self._log):
            raise FailedPrecondition("STATE_REWOUND", "Load again.")
        return self._log[revision:]

    def apply(self, edits: Sequence[Edit], *, at: int, actor: str, request_id: str) -> int:
        tried = self._open().copy()
        check_origin(at, actor, request_id)
        tried.apply(edits)
        stamped = max(at, self._log[-1].at if self._log else 0)
        first = len(self._log) + 1
        self._log += [Change(first + i, stamped, stamped != at, actor, request_id, edit) for i, edit in enumerate(edits)]
        self._ledger = tried
        return tried.grant_revision

    def close(self) -> None:
        self._closed = True

    def _open(self) -> Ledger:
        if self._closed:
            raise Unavailable("STATE_UNREACHABLE", "Closed.")
        return self._ledger
