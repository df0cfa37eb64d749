"""The log of permission records: each change of people and grants, written in the transaction that makes the change.

The store's table is the log itself: dense, chained like a journal, under an id of its own. A change's `grant_revision` is its
place in the log, counted from 1, so the table of grants at any revision is the log replayed up to it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

from munjigi.audit.records import encode
from munjigi.audit.segment import GENESIS
from munjigi.grants.changes import Change
from munjigi.grants.ports import LogHead, LogRow, PermissionRows
from munjigi.grants.records import corrupt, record_of


def rows_of(changes: Sequence[Change], chain: bytes, base: int = 0, *, synthetic: bool = False) -> list[LogRow]:
    """Return the rows that record changes, continuing `chain`, in a log that begins after revision `base`.

    `synthetic`: each says that it is none of a real company.
    """
    rows = []
    for change in changes:
        payload = encode(record_of(change, base, synthetic=synthetic))
        chain = link(chain, payload)
        rows.append(LogRow(change.grant_revision - 1 - base, change.grant_revision, change.at, payload, chain))
    return rows


def link(chain: bytes, payload: bytes) -> bytes:
    """Continue a chain by one record, as journals do: SHA-256 over the chain and the record's leaf."""
    return hashlib.sha256(chain + hashlib.sha256(b"\x00" + payload).digest()).digest()


class PermissionLog:
    """A `LogSource` over one log of the store's table. Looks at the store at most once in `every` seconds."""

    def __init__(self, rows: PermissionRows, every: float = 0.0, ended: LogHead | None = None) -> None:
        """Look at the log that is written, or at one that was `ended`.

        Raises `Unavailable` when the store can't be read, or is not there yet.
        """
        self._rows = rows
        self._every = every
        self.ended = ended is not None
        self._head = ended or rows.log_head()
        self._looked = time.monotonic()
        self._cut = 0  # how often the end was found cut: a store was put back under us

    @property
    def log_id(self) -> str:
        """The log's id."""
        return self._head.log_id

    def first(self) -> int:
        """Return 0: permission records are never removed."""
        return 0

    def epoch(self) -> tuple[int, int]:
        """Return a value that changes when the log is found shorter or other than before: a backup was put back."""
        self._look()
        return self._cut, 0

    def read(self, from_index: int, limit: int) -> list[tuple[int, bytes]]:
        """Return at most `limit` records from `from_index` on; each is held against the chain.

        Raises `Corruption` when a row was changed or is missing.
        """
        if from_index >= self._head.next_index:
            self._look()
            if from_index >= self._head.next_index:
                return []
        first = max(from_index - 1, 0)
        last = min(from_index + limit, self._head.next_index)
        rows = self._rows.log_rows(self._head.base + first, last - first)
        chain = rows[0].chain if from_index and rows and rows[0].index == first else b""
        found = []
        for expected, row in enumerate(rows[from_index - first :], from_index):
            if row.index != expected or row.chain != link(chain or GENESIS, row.payload):
                raise corrupt(expected, "does not continue the chain")
            chain = row.chain
            found.append((row.index, row.payload))
        if not found:
            raise corrupt(from_index, "is missing")
        return found

    def settle(self) -> None:
        """Do nothing: what another connection can read of the store is on stable storage."""

    def close(self) -> None:
        """Let go of the store."""
        self._rows.close()

    def _look(self) -> None:
        if self.ended or time.monotonic() - self._looked < self._every:
            return
        before, self._head = self._head, self._rows.log_head()
        self._looked = time.monotonic()
        if self._head == before or not before.next_index:
            return
        last = self._rows.log_rows(before.base + before.next_index - 1, 1)
        if not last or last[0].chain != before.chain:
            self._cut += 1
