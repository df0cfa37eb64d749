"""The job that ships records to Elasticsearch: each log on its own, so that one that is stuck leaves the others alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Documents
from munjigi.adapters.elasticsearch.progress import Progress
from munjigi.adapters.elasticsearch.sender import Sender
from munjigi.adapters.elasticsearch.shipping import LogShipping
from munjigi.app.cluster import access_of, documents_of
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter


class Shipper:
    """Ship what is new. The cursors lie in `folder`; a repeated record is found to be there already."""

    name = "ship"

    def __init__(self, sources: LogSources, cluster: Cluster, documents: Documents, folder: Path, meter: Meter) -> None:
        self._sources = sources
        self._cluster = cluster
        self._documents = documents
        self._folder = folder
        self._meter = meter
        self._sender = Sender(cluster, meter.add)
        self._logs: dict[str, LogShipping] = {}
        self._closing: asyncio.Task[None] | None = None

    async def step(self) -> bool:
        """Ship a bounded part of each log. Raises what the first log that failed raised, after all had their turn."""
        for source in await asyncio.to_thread(self._sources.look):
            if source.log_id not in self._logs:
                progress = Progress(self._folder, source.log_id)
                self._logs[source.log_id] = LogShipping(source, self._documents, self._sender, progress)
        logs = list(self._logs.values())
        ended = await asyncio.gather(*(log.step() for log in logs), return_exceptions=True)
        self._show(logs)
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        return any(ended)

    def _show(self, logs: list[LogShipping]) -> None:
        pending = [log.pending_since for log in logs if log.pending_since]
        self._meter.set(catalogue.SHIP_NEXT, value=sum(log.next_index for log in logs))
        self._meter.set(catalogue.SHIP_PENDING_SINCE, value=min(pending, default=0) / 1e9)
        self._meter.set(catalogue.SHIP_DEAD_LETTERS, value=sum(log.dead_letters for log in logs))

    def close(self) -> None:
        """Let go of the logs and the connections."""
        self._sources.close()
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._cluster.close())


def shipper(settings: Settings, folder: StateFolder, meter: Meter) -> Shipper:
    """Put the job together."""
    return Shipper(LogSources(folder), Cluster(access_of(settings)), documents_of(settings), folder.shipping, meter)
