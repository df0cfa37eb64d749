"""Where the trail is searched: in the follower's file, or in Elasticsearch."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import Protocol

from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.app.cluster import access_of, documents_of, searched
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.audit.ports import RecordSearch
from munjigi.kernel.errors import NotFound


class Logs(Protocol):
    """Which logs there are, and what they say. Both methods block."""

    def logs(self) -> list[str]:
        """Return the ids of all logs."""
        ...

    def agrees(self, log_id: str, index: int, payload: bytes) -> bool:
        """Tell whether a log has these bytes at that index."""
        ...


class FolderLogs:
    """The logs of a state folder, for a process that writes none of them. Implements `Logs`."""

    def __init__(self, folder: StateFolder) -> None:
        self._sources = LogSources(folder)
        self._lock = Lock()

    def logs(self) -> list[str]:
        """Return the ids of all logs."""
        with self._lock:
            return [source.log_id for source in self._sources.look()]

    def agrees(self, log_id: str, index: int, payload: bytes) -> bool:
        """Tell whether a log has these bytes at that index."""
        with self._lock, suppress(NotFound):
            return self._sources.of(log_id).read(index, 1) == [(index, payload)]
        return False


def record_search(settings: Settings, folder: StateFolder, trail: Logs) -> RecordSearch:
    """Put the search together. Raises `ConfigurationError`."""
    if not searched(settings):
        return SqliteAuditIndex(folder.index, read_only=True)
    # PLC0415: the client's memory is for those who search with it
    from munjigi.adapters.elasticsearch.blocking import BlockingCluster  # noqa: PLC0415
    from munjigi.adapters.elasticsearch.search import ElasticsearchSearch  # noqa: PLC0415

    cluster = BlockingCluster(access_of(settings, "reader"))
    return ElasticsearchSearch(cluster, documents_of(settings), folder.shipping, trail.logs, trail.agrees)
