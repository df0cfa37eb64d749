"""The decisions that really were made, from a state folder's journals, asked again of two bundles. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from munjigi.app.files import StateFolder
from munjigi.app.grant_changes import apply_changes, load_table
from munjigi.app.state import has_state, read_state
from munjigi.audit import segment
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import AccessRecord, AnyRecord, decode
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.recorded import asked_at, request_of
from munjigi.decision.turned import Turned, askable, turned
from munjigi.grants.ports import StateStore
from munjigi.kernel.errors import Corruption, FailedPrecondition
from munjigi.kernel.ids import record_id
from munjigi.policy.types import PolicyBundle

_BATCH: Final = 1000


class ChangedDecision(NamedTuple):
    """One recorded decision that the other bundle would decide otherwise."""

    decision_id: str
    record: AccessRecord
    turned: Turned


class Traffic(NamedTuple):
    """What became of the decisions since a time. `unknown`: recorded as digests of names that no catalog had, not asked again."""

    decisions: int
    unknown: int
    changed: list[ChangedDecision]

    @property
    def employees(self) -> int:
        """Return how many employees the changed decisions are of."""
        return len({(each.record.issuer, each.record.employee) for each in self.changed})


class Tables:
    """Grant tables at past revisions. Revisions of one log ascend, so each is made out of the one before it."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._tables: dict[int, GrantTable] = {}

    def at(self, revision: int) -> GrantTable:
        """Return the table at `revision`.

        Raises `NotFound` when the store never had it.
        """
        found = self._tables.get(revision)
        if found is None:
            base = max((each for each in self._tables if each < revision), default=-1)
            if base < 0:
                state = self._store.load_at(revision)
                found = GrantTable.build(state.grants, state.people, revision, state.blocks)
            else:
                changes = [each for each in self._store.changes_since(base) if each.grant_revision <= revision]
                found = apply_changes(self._tables[base], changes)
            self._tables[revision] = found
        return found


def open_state(state: Path) -> StateStore:
    """Open a state folder's store.

    Raises `FailedPrecondition` when there is none.
    """
    if not has_state(StateFolder(state)):
        raise FailedPrecondition("STATE_MISSING", f"There is no state.sqlite in {state}; name the state folder of a server.")
    return read_state(StateFolder(state))


def current_grants(store: StateStore) -> GrantTable:
    """Return the grants as they are now."""
    return load_table(store)


def replay(state: Path, store: StateStore, before: PolicyBundle, after: PolicyBundle, since: int) -> Traffic:
    """Ask every decision recorded since `since` (UTC nanoseconds) again, probes excepted: they are no use of data."""
    tables = Tables(store)
    decisions = unknown = 0
    changed: list[ChangedDecision] = []
    for log_id, record in _decisions(state / "journal", since):
        if record.probe:
            continue
        decisions += 1
        if not askable(record):
            unknown += 1
            continue
        found = turned(request_of(record, supposing=True), before, after, tables.at(record.grant_revision), asked_at(record))
        if found is not None:
            changed.append(ChangedDecision(record_id(log_id, record.index), record, found))
    changed.sort(key=lambda each: each.record.time, reverse=True)
    return Traffic(decisions, unknown, changed)


def _decisions(root: Path, since: int) -> Iterator[tuple[str, AccessRecord]]:
    for log_id in list_logs(root) if root.is_dir() else ():
        with JournalReader(root / log_id) as reader:
            at = _first_segment(root / log_id, reader, since)
            while batch := reader.read(at, _BATCH):
                at = batch[-1][0] + 1
                for index, payload in batch:
                    record = _decode(payload)
                    if isinstance(record, AccessRecord) and record.time >= since:
                        record.index = index
                        yield log_id, record


def _first_segment(folder: Path, reader: JournalReader, since: int) -> int:
    """Return the first index of the last segment that begins before `since`: times never decrease within a log."""
    first = reader.first()
    for name in segment.names(folder):
        begins = segment.first_index_of(name)
        if begins < first:
            continue  # being removed at the end of its retention
        batch = reader.read(begins, 1)
        if not batch or _decode(batch[0][1]).time >= since:
            break
        first = begins
    return first


def _decode(payload: bytes) -> AnyRecord:
    try:
        return decode(payload)
    except msgspec.MsgspecError:
        raise Corruption("RECORD_UNREADABLE", "A journal has a record that can't be read; run `munjigi audit verify`.") from None
