"""Verify the log of permission records, and that the state is what the log says: a grant that no record gave is found too."""

from __future__ import annotations

import hashlib
from typing import Final

from munjigi.audit.segment import GENESIS
from munjigi.audit.verify import Sealed, Verification
from munjigi.grants.ledger import Ledger
from munjigi.grants.permission_log import change_of, link
from munjigi.grants.ports import LogHead, LogRow, PermissionRows
from munjigi.kernel.errors import Corruption, MunjigiError, Unavailable

FILE: Final = "state.sqlite"
_PAGE: Final = 2000  # rows


class _Finding(Exception):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def verify_permissions(store: PermissionRows, sealed: Sealed | None = None) -> Verification:
    """Verify the whole log, and the state that it made. `sealed`: records must be those that were sealed, and no fewer.

    The store may be written meanwhile. An offset is the number of the row, from 1. Raises `Unavailable`.
    """
    walk = _Walk(store, sealed or Sealed(0, b""))
    try:
        head = walk.run()
    except _Finding as found:
        at = walk.index
        return Verification(walk.log_id, False, at, walk.chain.hex(), FILE, at + 1, at, found.problem)
    return Verification(head.log_id, True, walk.index, walk.chain.hex(), "", 0, 0, "")


class _Walk:
    """One pass over the rows, oldest first, making the state anew on the way."""

    def __init__(self, store: PermissionRows, sealed: Sealed) -> None:
        self.store = store
        self.sealed = sealed
        self.log_id = ""
        self.index = 0
        self.chain = GENESIS
        self.time = 0
        self.ledger = Ledger()

    def run(self) -> LogHead:
        try:
            state = self.store.load()  # first, so that the log reaches at least as far
            head = self.store.log_head()
        except Corruption:
            raise _Finding("STATE_UNREADABLE") from None
        self.log_id = head.log_id
        while self.index < head.next_index:
            rows = self.store.log_rows(self.index, min(_PAGE, head.next_index - self.index))
            if not rows:
                raise _Finding("INDEX_NOT_DENSE")
            for row in rows:
                self._row(row)
                if self.index == state.grant_revision and self.ledger.state() != state:
                    raise _Finding("STATE_DIFFERS")
        if self.chain != head.chain:
            raise _Finding("CHAIN_BROKEN")
        if self.index < self.sealed.size:
            raise _Finding("SHORTER_THAN_SEALED")
        if not state.grant_revision and (state.grants or state.people):
            raise _Finding("STATE_DIFFERS")
        return head

    def _row(self, row: LogRow) -> None:
        if row.index != self.index:
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
        try:
            self.ledger.apply([change.edit])
        except MunjigiError as error:
            if isinstance(error, Unavailable):
                raise
            raise _Finding("RECORD_REFUSED") from None
        self.chain, self.time, self.index = chain, row.at, self.index + 1
