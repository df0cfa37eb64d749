"""The logs of this installation, as the worker that writes one of the journals sees them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import Final

from munjigi.adapters.seal_keys import public_key
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.restoration import recorded
from munjigi.audit import mark
from munjigi.audit.journal import Journal
from munjigi.audit.ports import IndexedRecord, LogSource
from munjigi.audit.reader import list_logs
from munjigi.audit.records import decode
from munjigi.audit.seal.check import SealCheck, check_seal, verify_sealed
from munjigi.audit.seal.merkle import leaf_hash
from munjigi.audit.seal.store import LOGS
from munjigi.audit.seal.tree import StoredTree
from munjigi.audit.slots import logs_of, retired
from munjigi.audit.verify import Verification
from munjigi.grants.ports import PermissionRows
from munjigi.grants.verification import verify_permissions
from munjigi.kernel.errors import NotFound
from munjigi.rpc.verification import Restored

_PIECE: Final = 4096  # records read at once
_PATIENCE: Final = 0.5  # seconds for a record to be seen by another connection


class Trail:
    """All journals under one folder, of which `own` is written by this process, and the logs of permission records.

    `revision` tells the last grant revision that this process decides by. `others` are how many slots of this folder other
    processes write.
    """

    def __init__(
        self,
        folder: StateFolder,
        own: Journal,
        permissions: PermissionRows,
        revision: Callable[[], int],
        others: int = 0,
    ) -> None:
        self._folder = folder
        self._root = folder.journal
        self._own = own
        self._permissions = permissions
        self._permission_logs = permissions.log_heads()
        marks = {log_id: mark.read(folder.journal / log_id) for log_id in retired(folder.journal)}
        self._ended = {log_id: known.next_index for log_id, known in marks.items() if known is not None}
        self._ended |= {head.log_id: head.next_index for head in self._permission_logs[:-1]}
        self._revision = revision
        self._slots = range(others + 1)
        self._read_to: dict[str, int] = {}  # of logs that others write: where their end was last
        self.alone = not others
        self._sources = LogSources(folder)
        self._reading = threading.Lock()

    def durable(self) -> dict[str, int]:
        """Return the number of durable records: of the log that this process writes, of permissions that it knows of, and of ended logs."""
        permissions = self._permission_logs[-1]
        return {**self._ended, self._own.log_id: self._own.durable_index, permissions.log_id: self._revision() - permissions.base}

    def logs(self) -> list[str]:
        """Return the ids of all logs."""
        with self._reading:
            return [source.log_id for source in self._sources.look()]

    def ends(self) -> dict[str, int]:
        """Return the number of durable records of every log. Blocks."""
        found = self.durable()
        with self._reading:
            for source in self._sources.look():
                if source.log_id not in found:
                    found[source.log_id] = self._end_of(source)
        return found

    def record(self, log_id: str, index: int) -> bytes | None:
        """Return the canonical bytes of one durable record; None when there is none. Blocks.

        Raises `NotFound` `RECORD_REMOVED` for one that retention removed.
        """
        return self._read(log_id, index) if index < self.durable().get(log_id, 1 << 62) else None

    def agrees(self, log_id: str, index: int, payload: bytes) -> bool:
        """Tell whether a log has these bytes at that index. Blocks.

        The seal's tree knows the hash of each record; what it does not know, or not so, is read off the log itself. The log of
        permission records is looked at a few times a second only, so it gets a moment to show what is new.
        """
        with suppress(OSError, IndexError), closing(StoredTree(self._folder.seal / LOGS / log_id, read_only=True)) as tree:
            if tree.leaf(index) == leaf_hash(payload):
                return True
        deadline = time.monotonic() + _PATIENCE
        with suppress(NotFound):  # removed at the end of its retention, and the seal has another hash
            while (found := self._read(log_id, index)) is None and time.monotonic() < deadline:
                time.sleep(_PATIENCE / 10)
            return found == payload
        return False

    def after(self, positions: Mapping[str, int], limit: int) -> list[IndexedRecord]:
        """Return the durable records from each log's position on, ordered by time."""
        found: list[IndexedRecord] = []
        with self._reading:
            for source in self._sources.look():
                known = source.log_id == self._own.log_id
                end = self._own.durable_index if known else None
                read = source.read(max(positions.get(source.log_id, 0), source.first()), limit)
                if read and not known:
                    source.settle()
                for index, payload in read:
                    if end is None or index < end:
                        found.append(IndexedRecord(source.log_id, index, decode(payload).time, payload))
        found.sort(key=lambda each: (each.time, each.log_id, each.index))
        return found

    def close(self) -> None:
        """Let go of the logs that were read. A second call does nothing."""
        with self._reading:
            self._sources.close()

    def verify(self, log_id: str) -> tuple[SealCheck, list[Verification], list[Restored]]:
        """Find the restores, check the seal, and verify one log, or all with an empty id; our own up to what is durable."""
        permissions = {head.log_id for head in self._permission_logs}
        logs = [*list_logs(self._root), *permissions]
        if log_id:
            if log_id not in logs:
                raise NotFound("LOG_UNKNOWN", "No log has this log id; leave it out to verify all.")
            logs = [log_id]
        public = self._folder.keys / "seal.vkey"
        with closing(LogSources(self._folder)) as sources:
            seal = check_seal(self._folder.seal, sources.of, public_key(public) if public.exists() else None)
        ends = self.ends() if not self.alone else {}
        written = {log_id: ends.get(log_id) for log_id in logs_of(self._root, self._slots)}
        written[self._own.log_id] = self._own.durable_index
        found = [verify_sealed(self._root / each, seal, written.get(each)) for each in logs if each not in permissions]
        if permissions.intersection(logs):
            found += [each for each in verify_permissions(self._permissions, seal.sealed) if each.log_id in ("", *logs)]
        return seal, found, recorded(self._root)

    def _read(self, log_id: str, index: int) -> bytes | None:
        """Return the bytes of one record, durable or not; None when there is none."""
        with self._reading:
            source = next((each for each in self._sources.look() if each.log_id == log_id), None)
            found = source.read(index, 1) if source is not None else []
        return found[0][1] if found and found[0][0] == index else None

    def _end_of(self, source: LogSource) -> int:
        """Return where a log ends that another process writes, or nobody."""
        found = mark.read(self._root / source.log_id)
        end = max(found.next_index if found is not None else 0, self._read_to.get(source.log_id, 0))
        while records := source.read(end, _PIECE):
            end = records[-1][0] + 1
        source.settle()
        self._read_to[source.log_id] = end
        return end
