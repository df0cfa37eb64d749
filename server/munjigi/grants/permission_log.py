"""The log of permission records: each change of people and grants, written in the transaction that makes the change.

The store's table is the log itself: dense, chained like a journal, under an id of its own. A change's `grant_revision` is its
place in the log, counted from 1, so the table of grants at any revision is the log replayed up to it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from munjigi.audit.records import (
    GrantAddedRecord,
    GrantChangedRecord,
    GrantEndedRecord,
    GrantRecord,
    PermissionRecord,
    PersonRecord,
    decode,
    encode,
)
from munjigi.audit.segment import GENESIS
from munjigi.grants.changes import Change, GrantEdit, GrantKind, PersonEdit
from munjigi.grants.ports import LogHead, LogRow, PermissionRows
from munjigi.kernel.errors import Corruption
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey

_RECORDS: Final[dict[GrantKind, type[GrantRecord]]] = {
    "grant_added": GrantAddedRecord,
    "grant_changed": GrantChangedRecord,
    "grant_ended": GrantEndedRecord,
}
_KINDS: Final = {record: kind for kind, record in _RECORDS.items()}


def record_of(change: Change, base: int = 0) -> PermissionRecord:
    """Describe a change. `base` is the grant revision before its log's first record."""
    edit = change.edit
    if isinstance(edit, PersonEdit):
        person = edit.person
        return PersonRecord(
            index=change.grant_revision - 1 - base,
            time=change.at,
            clock_stepped=change.clock_stepped,
            employee=change.actor,
            request_id=change.request_id,
            grant_revision=change.grant_revision,
            person_id=person.person_id,
            principal_type=person.principal_type,
            department=person.department,
            accounts=person.accounts,
            facts=person.facts,
        )
    grant = edit.grant
    return _RECORDS[edit.kind](
        index=change.grant_revision - 1 - base,
        time=change.at,
        clock_stepped=change.clock_stepped,
        employee=change.actor,
        request_id=change.request_id,
        grant_revision=change.grant_revision,
        grant_id=grant.grant_id,
        holder_issuer=grant.employee.issuer,
        holder=grant.employee.subject,
        role=grant.role,
        purpose=grant.purpose,
        starts_at=grant.starts_at,
        ends_at=grant.ends_at,
        approved_by=grant.approved_by,
        scope=grant.scope,
    )


def change_of(row: LogRow) -> Change:
    """Return the change that a row records.

    Raises `Corruption` when the row is not the record of its place and time.
    """
    try:
        record = decode(row.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _corrupt(row.index, "can't be read") from None
    if not isinstance(record, PermissionRecord) or (record.index, record.grant_revision, record.time) != (
        row.index,
        row.grant_revision,
        row.at,
    ):
        raise _corrupt(row.index, "is not the record of its row")
    edit: GrantEdit | PersonEdit
    if isinstance(record, PersonRecord):
        person = Person(record.person_id, record.principal_type, record.department, record.accounts, record.facts)
        edit = PersonEdit("person_changed", person)
    else:
        assert isinstance(record, GrantRecord)
        holder = EmployeeKey(record.holder_issuer, record.holder)
        period = (record.starts_at, record.ends_at)
        grant = Grant(record.grant_id, holder, record.role, record.purpose, *period, record.approved_by, record.scope)
        edit = GrantEdit(_KINDS[type(record)], grant)
    return Change(record.grant_revision, record.time, record.clock_stepped, record.employee, record.request_id, edit)


def rows_of(changes: Sequence[Change], chain: bytes, base: int = 0) -> list[LogRow]:
    """Return the rows that record changes, continuing `chain`, in a log that begins after revision `base`."""
    rows = []
    for change in changes:
        payload = encode(record_of(change, base))
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
                raise _corrupt(expected, "does not continue the chain")
            chain = row.chain
            found.append((row.index, row.payload))
        if not found:
            raise _corrupt(from_index, "is missing")
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


def _corrupt(index: int, what: str) -> Corruption:
    return Corruption("STATE_CORRUPT", f"Permission record {index} of the state store {what}; run `munjigi audit verify`.")
