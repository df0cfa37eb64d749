"""A search in a real cluster that tests can fill: records go through the real shipping, and are read by an account that may only read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elastic.server import ElasticsearchServer
from elastic.support import access_to

from munjigi.adapters.elasticsearch.access import Access
from munjigi.adapters.elasticsearch.blocking import BlockingCluster
from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Documents, Naming
from munjigi.adapters.elasticsearch.progress import Progress
from munjigi.adapters.elasticsearch.search import ElasticsearchSearch
from munjigi.adapters.elasticsearch.sender import Sender
from munjigi.adapters.elasticsearch.shipping import LogShipping
from munjigi.audit.ports import RecordPage, RecordQuery


class MemoryLog:
    """A `LogSource` in memory, always durable."""

    def __init__(self, log_id: str) -> None:
        self.log_id = log_id
        self.records: list[bytes] = []

    def epoch(self) -> tuple[int, int]:
        return (1, 1)

    def first(self) -> int:
        return 0

    def read(self, from_index: int, limit: int) -> list[tuple[int, bytes]]:
        return list(enumerate(self.records[from_index : from_index + limit], from_index))

    def settle(self) -> None:
        pass

    def close(self) -> None:
        pass


class ShippedSearch:
    """What the conformance suite fills and asks."""

    def __init__(self, server: ElasticsearchServer, folder: Path, prefix: str, **changes: Any) -> None:
        self.server = server
        self.prefix = prefix
        self.shipping = folder / "shipping"
        self.shipping.mkdir(mode=0o700)
        self.logs: dict[str, MemoryLog] = {}
        self.documents = Documents(Naming(prefix))
        self._shipper = access_to(server, folder)
        reader: Access = access_to(server, folder, "searcher", part="reader", **changes)
        self.search_there = ElasticsearchSearch(
            BlockingCluster(reader), self.documents, self.shipping, lambda: list(self.logs), self.agrees
        )

    def agrees(self, log_id: str, index: int, payload: bytes) -> bool:
        return log_id in self.logs and self.logs[log_id].records[index : index + 1] == [payload]

    def ingest(self, log_id: str, first_index: int, records: Sequence[bytes], *, refresh: bool = True) -> int:
        log = self.logs.setdefault(log_id, MemoryLog(log_id))
        assert first_index == len(log.records)
        log.records += records
        asyncio.run(self._ship(log))
        if refresh:
            self.server.call("POST", f"/{self.prefix}-*/_refresh")
        return len(records)

    async def _ship(self, log: MemoryLog) -> None:
        async with Cluster(self._shipper) as cluster:
            shipping = LogShipping(log, self.documents, Sender(cluster), Progress(self.shipping, log.log_id))
            while await shipping.step():
                pass

    def holds(self, log_id: str, below: int) -> bool:
        return self.search_there.holds(log_id, below)

    def search(self, query: RecordQuery, page_size: int, page_token: str = "") -> RecordPage:
        return self.search_there.search(query, page_size, page_token)

    def close(self) -> None:
        self.search_there.close()
