"""What the tests of shipping share: a journal with records of chosen dates, and a shipper put together as the follower does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from audit.support import START, TickingClock, access, open_journal
from elastic.server import ElasticsearchServer

from doubles.metrics import MemorySink
from munjigi.adapters.elasticsearch.access import Access
from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Documents, Naming
from munjigi.adapters.elasticsearch.template import install
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.shipper import Shipper
from munjigi.kernel.errors import Unavailable
from munjigi.monitoring.meter import Meter

DAY = 86_400_000_000_000


def filled(state: Path, count: int, *, slot: int = 0, at: int = START, days: int = 1) -> StateFolder:
    """Write `count` more records, spread over so many dates."""
    folder = StateFolder(state)
    folder.make()
    clock = TickingClock(at)
    journal = open_journal(state, slot, clock=clock)
    for number in range(count):
        clock.at = max(clock.at, at + number * days // count * DAY)
        journal.append(access(number, members=(f"m1.01234567.{number:026d}",)))
    journal.sync()
    journal.close()
    return folder


class Shipped:
    """A shipper over a state folder. `run` steps until nothing is left. What is of before `kept_from` is past its retention."""

    def __init__(self, folder: StateFolder, access: Access, prefix: str, *, kept_from: int = 0, **naming: Any) -> None:
        self.folder = folder
        self.access = access
        self.kept_from = kept_from
        self.naming = Naming(prefix, **naming)
        self.sink = MemorySink()

    async def ship(self, *, failures: int = 0) -> None:
        """Step until nothing is left. Bears so many failed steps."""
        meter = Meter(self.sink)
        async with Cluster(self.access) as cluster:
            sources, ends = LogSources(self.folder), LogSources(self.folder)
            documents = Documents(self.naming, lambda time: time >= self.kept_from)
            shipper = Shipper(sources, ends, cluster, documents, self.folder.shipping, meter)
            try:
                more = True
                while more:
                    try:
                        more = await shipper.step()
                    except Unavailable:
                        failures -= 1
                        if failures < 0:
                            raise
            finally:
                meter.flush()
                shipper.close()

    def run(self, *, failures: int = 0) -> None:
        asyncio.run(self.ship(failures=failures))

    def metric(self, name: str, *labels: str) -> float:
        """Add a metric's values up over the labels that are not given."""
        wanted = (f"munjigi_ship_{name}", *labels)
        return sum(value for key, value in self.sink.values.items() if key[: len(wanted)] == wanted)


def access_to(server: ElasticsearchServer, folder: Path, user: str = "shipper", **changes: Any) -> Access:
    values: dict[str, Any] = {
        "urls": (server.url,),
        "authority": server.authority,
        "credentials": server.credentials(folder, user) if server.secure else None,
        "timeout": 10.0,
    }
    return Access(**(values | changes))


def settings_of(server: ElasticsearchServer, folder: Path, prefix: str, user: str = "shipper") -> dict[str, str]:
    """Return the daemon's settings for shipping as a user."""
    settings = {"MUNJIGI_ELASTICSEARCH_URLS": json.dumps([server.url]), "MUNJIGI_ELASTICSEARCH_PREFIX": prefix}
    if server.authority is not None:
        settings["MUNJIGI_ELASTICSEARCH_AUTHORITY"] = str(server.authority)
    if server.secure:
        settings["MUNJIGI_ELASTICSEARCH_CREDENTIALS"] = str(server.credentials(folder, user))
    return settings


def installed(server: ElasticsearchServer, folder: Path, prefix: str, **naming: Any) -> None:
    async def run() -> None:
        async with Cluster(access_to(server, folder, "administrator")) as cluster:
            await install(cluster, Naming(prefix, **naming), replicas=0)

    asyncio.run(run())


def stored(server: ElasticsearchServer, prefix: str) -> list[tuple[str, str]]:
    """Return (index, id) of every document there is, in order."""
    server.call("POST", f"/{prefix}-*/_refresh")
    found: list[tuple[str, str]] = []
    after: list[Any] = []
    while True:
        body = {"size": 5000, "_source": False, "sort": ["munjigi.log_id", "munjigi.index", "_index"]}
        hits = server.call("POST", f"/{prefix}-*/_search", {**body, **({"search_after": after} if after else {})})["hits"]["hits"]
        if not hits:
            return found
        found += [(hit["_index"], hit["_id"]) for hit in hits]
        after = hits[-1]["sort"]
