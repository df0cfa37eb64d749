"""Where the worker searches the trail: in the follower's file, or in Elasticsearch."""

from __future__ import annotations

from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.app.cluster import access_of, documents_of, searched
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.trail import Trail
from munjigi.audit.ports import RecordSearch


def record_search(settings: Settings, folder: StateFolder, trail: Trail) -> RecordSearch:
    """Put the search together. Raises `ConfigurationError`."""
    if not searched(settings):
        return SqliteAuditIndex(folder.index, read_only=True)
    # PLC0415: the client's memory is for those who search with it
    from munjigi.adapters.elasticsearch.blocking import BlockingCluster  # noqa: PLC0415
    from munjigi.adapters.elasticsearch.search import ElasticsearchSearch  # noqa: PLC0415

    cluster = BlockingCluster(access_of(settings, "reader"))
    return ElasticsearchSearch(cluster, documents_of(settings), folder.shipping, trail.logs, trail.agrees)
