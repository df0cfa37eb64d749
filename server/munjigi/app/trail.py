"""The logs of this installation, as the worker that writes one of the journals sees them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing

from munjigi.adapters.seal_keys import public_key
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.audit.journal import Journal
from munjigi.audit.ports import IndexedRecord
from munjigi.audit.reader import list_logs
from munjigi.audit.records import decode
from munjigi.audit.seal.check import SealCheck, check_seal, verify_sealed
from munjigi.audit.verify import Verification
from munjigi.grants.ports import PermissionRows
from munjigi.grants.verification import verify_permissions
from munjigi.kernel.errors import NotFound


class Trail:
    """All journals under one folder, of which `own` is written by this process, and the log of permission records.

    `revision` tells the last grant revision that this process decides by.
    """

    def __init__(self, folder: StateFolder, own: Journal, permissions: PermissionRows, revision: Callable[[], int]) -> None:
        self._folder = folder
        self._root = folder.journal
        self._own = own
        self._permissions = permissions
        self._permission_log = permissions.log_head().log_id
        self._revision = revision
        self._sources = LogSources(folder)
        self._reading = threading.Lock()

    def durable(self) -> dict[str, int]:
        """Return the number of durable records: of the log that this process writes, and of permissions that it knows of."""
        return {self._own.log_id: self._own.durable_index, self._permission_log: self._revision()}

    def logs(self) -> list[str]:
        """Return the ids of all logs."""
        with self._reading:
            return [source.log_id for source in self._sources.look()]

    def after(self, positions: Mapping[str, int], limit: int) -> list[IndexedRecord]:
        """Return the durable records from each log's position on, ordered by time."""
        found: list[IndexedRecord] = []
        with self._reading:
            for source in self._sources.look():
                known = source.log_id == self._own.log_id
                end = self._own.durable_index if known else None
                read = source.read(positions.get(source.log_id, 0), limit)
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

    def verify(self, log_id: str) -> tuple[SealCheck, list[Verification]]:
        """Check the seal, and verify one log, or all with an empty id; our own up to what is durable."""
        logs = [*list_logs(self._root), self._permission_log]
        if log_id:
            if log_id not in logs:
                raise NotFound("LOG_UNKNOWN", "No log has this log id; leave it out to verify all.")
            logs = [log_id]
        public = self._folder.keys / "seal.vkey"
        with closing(LogSources(self._folder)) as sources:
            seal = check_seal(self._folder.seal, sources.of, public_key(public) if public.exists() else None)
        return seal, [self._verify(each, seal) for each in logs]

    def _verify(self, log_id: str, seal: SealCheck) -> Verification:
        if log_id == self._permission_log:
            return verify_permissions(self._permissions, seal.sealed.get(log_id))
        return verify_sealed(self._root / log_id, seal, self._own.durable_index if log_id == self._own.log_id else None)
