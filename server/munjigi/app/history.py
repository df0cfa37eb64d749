"""What decided in the past, rebuilt: the policy bundle kept by its id, and the grant table out of the permission records.

Which policy was in force when is read from the trail (records of loads, starts and stops); who held what from the
store. Where these do not reach there is no answer: never a guess.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, TypeVar

from munjigi.adapters.policy_files import load_bundle
from munjigi.audit.ports import MAX_PAGE, IndexedRecord, RecordQuery, RecordSearch
from munjigi.audit.records import PolicyRecord, ProcessRecord, decode
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.grants.ports import StateStore
from munjigi.kernel.clock import to_rfc3339
from munjigi.kernel.errors import FailedPrecondition, NotFound
from munjigi.policy.types import PolicyBundle
from munjigi.rpc.ports import PolicyControl, SnapshotSource

_EVENTS: Final = ("policy.load", "process.event")
_KEPT: Final = 3  # bundles and tables of the past in memory; a page after a page asks for the same
K = TypeVar("K")
V = TypeVar("V")


class _Recent(Generic[K, V]):
    """The last few results of a function of one argument."""

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._found: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V:
        with self._lock:  # the same past is not rebuilt twice at once
            if key not in self._found:
                self._found[key] = self._make(key)
            self._found.move_to_end(key)
            while len(self._found) > _KEPT:
                self._found.popitem(last=False)
            return self._found[key]


class KeptHistory:
    """Implements `rpc.ports.History`. Every method but `note` blocks."""

    def __init__(self, kept: Path, store: StateStore, index: RecordSearch) -> None:
        self._kept = kept
        self._store = store
        self._index = index
        self._bundles: _Recent[str, PolicyBundle] = _Recent(self._bundle)
        self._tables: _Recent[int, GrantTable] = _Recent(self._table)
        self._snapshots: SnapshotSource | None = None
        self._policy: PolicyControl | None = None

    def follow(self, snapshots: SnapshotSource, policy: PolicyControl) -> None:
        """Take what is in force from here, instead of rebuilding it."""
        self._snapshots = snapshots
        self._policy = policy

    def note(self, bundle: PolicyBundle) -> None:
        """Keep where a bundle came from when it first decided. What can't be written is not known later, and no more."""
        path = self._source(bundle.revision)
        with suppress(OSError):
            if not path.exists():
                part = path.with_suffix(".part")
                part.write_text(bundle.source, "utf-8")
                part.replace(path)

    def source_of(self, policy_revision: str) -> str:
        """Return where a bundle came from when it first decided here; empty when that is not known."""
        try:
            return self._source(policy_revision).read_text("utf-8")
        except (OSError, ValueError):
            return ""

    def decided_by(self, policy_revision: str, grant_revision: int) -> Snapshot:
        """Return the snapshot of these two revisions.

        Raises `FailedPrecondition` `HISTORY_NOT_KEPT` when one of them is not here any more.
        """
        current = self._snapshots.snapshot if self._snapshots is not None else None
        same_policy = current is not None and current.bundle.revision == policy_revision
        same_grants = current is not None and current.grants.revision == grant_revision
        return Snapshot(
            current.bundle if current is not None and same_policy else self._bundles.get(policy_revision),
            current.grants if current is not None and same_grants else self._tables.get(grant_revision),
        )

    def at(self, at: int) -> Snapshot:
        """Return what was in force at `at` (UTC nanoseconds, not in the future).

        Raises `FailedPrecondition` `HISTORY_NOT_KEPT`, naming since when it is known.
        """
        status = self._policy.status() if self._policy is not None else None
        revision = status.revision if status is not None and status.loaded_at <= at else self._policy_at(at)
        return self.decided_by(revision, self._store.revision_at(at))

    def _policy_at(self, at: int) -> str:
        found = [record for event in _EVENTS for record in self._events(event, at, 1)]
        for record in sorted(found, key=lambda each: (each.time, each.index), reverse=True):
            event = decode(record.payload)
            if isinstance(event, PolicyRecord | ProcessRecord) and event.policy_revision:
                return event.policy_revision
        since = min((record.time for event in _EVENTS for record in self._events(event, 0, 0)), default=0)
        known = f"ask for a time from {to_rfc3339(since)} on" if since else "no load of a policy is in the trail"
        raise FailedPrecondition("HISTORY_NOT_KEPT", f"Which policy was in force then is not kept here; {known}.")

    def _events(self, event: str, until: int, limit: int) -> list[IndexedRecord]:
        """Return the newest `limit` events not after `until`; all of them with 0."""
        query = RecordQuery(event_type=event, to_time=until + 1 if until else 0)
        page = self._index.search(query, limit or MAX_PAGE)
        found = page.records
        while not limit and page.next_page_token:
            page = self._index.search(query, MAX_PAGE, page.next_page_token)
            found = [*found, *page.records]
        return found

    def _bundle(self, revision: str) -> PolicyBundle:
        try:
            return load_bundle(self._kept, revision)
        except NotFound:
            raise FailedPrecondition(
                "HISTORY_NOT_KEPT", "The policy that decided then is not kept here; restore `policies/` of the state folder."
            ) from None

    def _table(self, revision: int) -> GrantTable:
        try:
            state = self._store.load_at(revision)
        except NotFound:
            raise FailedPrecondition(
                "HISTORY_NOT_KEPT", "The state store is older than this decision; restore a later backup of it."
            ) from None
        return GrantTable.build(state.grants, state.people, state.grant_revision, state.blocks)

    def _source(self, revision: str) -> Path:
        return self._kept / f"{revision}.source"
