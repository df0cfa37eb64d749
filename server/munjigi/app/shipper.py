"""The job that ships records to Elasticsearch: each log on its own, so that one that is stuck leaves the others alone."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final, NamedTuple

from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Documents
from munjigi.adapters.elasticsearch.progress import AHEAD, Progress
from munjigi.adapters.elasticsearch.reconciled import noted
from munjigi.adapters.elasticsearch.sender import Sender
from munjigi.adapters.elasticsearch.shipping import LogShipping
from munjigi.app.backlog import Backlog
from munjigi.app.cluster import access_of, documents_of
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.audit.ports import LogSource
from munjigi.audit.reader import JournalReader
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_LOGGER: Final = logging.getLogger("munjigi.shipper")
_FAMILIES: Final = ("journal", "permission")


class _Log(NamedTuple):
    """One log on its way, and what of it waits."""

    family: str
    log_id: str
    shipping: LogShipping
    backlog: Backlog


class Shipper:
    """Ship what is new. The cursors lie in `folder`; a repeated record is found to be there already.

    `ends` are the same logs as `sources`, opened once more: to count what waits.
    """

    name = "ship"

    def __init__(
        self, sources: LogSources, ends: LogSources, cluster: Cluster, documents: Documents, folder: Path, meter: Meter
    ) -> None:
        self._sources = sources
        self._ends = ends
        self._cluster = cluster
        self._documents = documents
        self._folder = folder
        self._meter = meter
        self._sender = Sender(cluster, meter.add)
        self._logs: dict[str, _Log] = {}
        self._dead: dict[str, int] = {}  # dead letters of each log that were told of
        self._closing: asyncio.Task[None] | None = None

    async def step(self) -> bool:
        """Ship a bounded part of each log; tell whether there is more.

        Raises what the first log that failed raised, after all had their turn.
        """
        await asyncio.to_thread(self._look)
        logs = list(self._logs.values())
        ended = await asyncio.gather(*(log.shipping.step() for log in logs), return_exceptions=True)
        waiting = [log for log, each in zip(logs, ended, strict=True) if isinstance(each, BaseException) or each >= AHEAD]
        await asyncio.to_thread(self._show, waiting)
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        return any(log.shipping.more for log in logs)

    def _look(self) -> None:
        for source in self._sources.look():
            if source.log_id not in self._logs:
                shipping = LogShipping(source, self._documents, self._sender, Progress(self._folder, source.log_id))
                backlog = Backlog(self._ends.of(source.log_id))
                self._logs[source.log_id] = _Log(_family(source), source.log_id, shipping, backlog)

    def _show(self, waiting: list[_Log]) -> None:
        """Set the metrics. Nothing is left of a log whose step reached its end."""
        for family in _FAMILIES:
            logs = [log for log in self._logs.values() if log.family == family]
            pending = [log.shipping.pending_since for log in logs if log.shipping.pending_since]
            backlog = sum(log.backlog.look(log.shipping.next_index) for log in logs if log in waiting)
            self._meter.set(catalogue.SHIP_NEXT, family, value=sum(log.shipping.next_index for log in logs))
            self._meter.set(catalogue.SHIP_BACKLOG, family, value=backlog)
            self._meter.set(catalogue.SHIP_PENDING_SINCE, family, value=min(pending, default=0) / 1e9)
            self._meter.set(catalogue.SHIP_DEAD_LETTERS, family, value=sum(log.shipping.dead_letters for log in logs))
        reconciled = noted(self._folder)
        self._meter.set(catalogue.RECONCILE_TIME, value=reconciled.at / 1e9)
        for kind in ("missing", "altered", "invented"):
            self._meter.set(catalogue.RECONCILE_FINDINGS, kind, value=getattr(reconciled, kind))
        self._meter.set(catalogue.SHIP_REQUEST_BYTES, value=self._sender.most_bytes)
        for log in self._logs.values():
            if log.shipping.dead_letters > self._dead.get(log.log_id, 0):
                _LOGGER.error(
                    "Elasticsearch refuses records for good; munjigi audit reconcile names them",
                    extra={"log_id": log.log_id, "dead_letters": log.shipping.dead_letters},
                )
            self._dead[log.log_id] = log.shipping.dead_letters

    def close(self) -> None:
        """Let go of the logs and the connections."""
        self._sources.close()
        self._ends.close()
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._cluster.close())


def _family(source: LogSource) -> str:
    return "journal" if isinstance(source, JournalReader) else "permission"


def shipper(settings: Settings, folder: StateFolder, meter: Meter) -> Shipper:
    """Put the job together."""
    sources, ends = LogSources(folder), LogSources(folder)
    return Shipper(sources, ends, Cluster(access_of(settings)), documents_of(settings), folder.shipping, meter)
