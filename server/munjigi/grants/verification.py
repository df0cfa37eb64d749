"""Verify the logs of permission records, and that the state is what they say: a grant that no record gave is found too."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from munjigi.audit.segment import GENESIS
from munjigi.audit.verify import Sealed, Verification
from munjigi.grants.changes import Change, State
from munjigi.grants.ledger import Ledger
from munjigi.grants.permission_log import link
from munjigi.grants.ports import LogHead, LogRow, PermissionRows
from munjigi.grants.records import change_of
from munjigi.kernel.errors import Corruption, MunjigiError, Unavailable

_PAGE: Final = 2000  # rows
_NOTHING: Final = Sealed(0, b"")


class _Finding(Exception):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def verify_permissions(store: PermissionRows, sealed: Mapping[str, Sealed]) -> list[Verification]:
    """Verify the whole of each log, oldest first, and the state that they made.

    `sealed`, by log id: records must be those that were sealed, and no fewer. The store may be written meanwhile. An offset is
    the number of the row, from 1. After a finding, later logs are held against chain and seal only. Raises `Unavailable`.
    """
    try:
        state = store.load()  # first, so that the log reaches at least as far
        heads = store.log_heads()
    except Corruption:
        return [Verification("", False, 0, GENESIS.hex(), store.name, 1, 0, "STATE_UNREADABLE")]
    made = _Made(state)
    found = []
    for head in heads:
        walk = _Walk(store, head, sealed.get(head.log_id, _NOTHING), made)
        try:
            walk.run()
        except _Finding as finding:
            made.judged = True
            row, index = head.base + walk.index + 1, walk.index
            found.append(Verification(head.log_id, False, index, walk.chain.hex(), store.name, row, index, finding.problem))
        else:
            found.append(Verification(head.log_id, True, walk.index, walk.chain.hex(), "", 0, 0, ""))
    return found


class _Made:
    """The state, made anew record by record, until it was held against the one that is there."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.judged = False
        self._ledger = Ledger()

    def take(self, change: Change) -> None:
        if self.judged:
            return
        try:
            self._ledger.apply([change.edit])
        except MunjigiError as error:
            if isinstance(error, Unavailable):
                raise
            raise _Finding("RECORD_REFUSED") from None

    def judge(self, revision: int) -> None:
        if self.judged or revision != self.state.grant_revision:
            return
        self.judged = True
        if self._ledger.state() != self.state:
            raise _Finding("STATE_DIFFERS")


class _Walk:
    """One pass over the rows of one log."""

    def __init__(self, store: PermissionRows, head: LogHead, sealed: Sealed, made: _Made) -> None:
        self.store = store
        self.head = head
        self.sealed = sealed
        self.made = made
        self.index = 0
        self.chain = GENESIS
        self.time = 0

    def run(self) -> None:
        base, end = self.head.base, self.head.next_index
        self.made.judge(base)
        while self.index < end:
            rows = self.store.log_rows(base + self.index, min(_PAGE, end - self.index))
            if not rows:
                raise _Finding("INDEX_NOT_DENSE")
            for row in rows:
                self._row(row)
                self.made.judge(row.grant_revision)
        if self.chain != self.head.chain:
            raise _Finding("CHAIN_BROKEN")
        if self.index < self.sealed.size:
            raise _Finding("SHORTER_THAN_SEALED")

    def _row(self, row: LogRow) -> None:
        if (row.index, row.grant_revision) != (self.index, self.head.base + self.index + 1):
            raise _Finding("INDEX_NOT_DENSE")
        chain = link(self.chain, row.payload)
        try:
            change = change_of(row)
        except Corruption:
            raise _Finding("RECORD_UNREADABLE") from None
        leaf = hashlib.sha256(b"\x00" + row.payload).digest()
        if row.index < self.sealed.size and leaf != self.sealed.leaves[row.index * 32 : row.index * 32 + 32]:
            raise _Finding("RECORD_NOT_AS_SEALED")
        if row.chain != chain:
            raise _Finding("CHAIN_BROKEN")
        if row.at < self.time:
            raise _Finding("TIME_DECREASED")
        self.made.take(change)
        self.chain, self.time, self.index = chain, row.at, self.index + 1
