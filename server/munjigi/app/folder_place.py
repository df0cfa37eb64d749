"""The state of a folder, opened for a job of the follower that reads it and writes to it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from munjigi.adapters.state.holdings import StoredHoldings
from munjigi.adapters.state.store import SqlStateStore
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.state import write_state
from munjigi.audit.ports import LogSource
from munjigi.grants.permission_log import PermissionLog


class FolderPlace:
    """The state of a state folder; implements `app.notifier.Place`."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._sources = LogSources(folder)
        self._lock = Lock()
        self._store: SqlStateStore | None = None

    @property
    def store(self) -> SqlStateStore:
        """The store. Raises `Unavailable` while there is none."""
        with self._lock:
            if self._store is None:
                self._store = write_state(self._folder)
            return self._store

    @property
    def holdings(self) -> StoredHoldings:
        """Who holds what, looked up in it."""
        return StoredHoldings(self.store)

    def logs(self) -> Sequence[LogSource]:
        """Return the logs of permission records, none before the worker has made the first."""
        return [each for each in self._sources.look() if isinstance(each, PermissionLog)]

    def close(self) -> None:
        """Let go of the store."""
        self._sources.close()
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
