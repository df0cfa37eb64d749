"""Use counted out of a real Elasticsearch, against counting it out of the journal, and against reading the documents.

Run as `PYTHONPATH=tests python -m bench.usage_elastic FOLDER [RECORDS]`, which starts the server that the tests start; prints JSON. Half of the
records are decisions of 2,000 employees over 25 days, with two to six columns, the other half their confirmations. `one`: an account has one grant,
so that all comes out of composite aggregations; `two`: two grants would have allowed each column, so that the columns are read from documents.
Seconds are processor time, of this process and of the server, over what was there in one run; rounds are interleaved.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from elastic.server import ElasticsearchServer

from bench.cluster import run, server_cpu
from bench.machine import spread
from bench.review import counter_of, written
from bench.table import Row, number, within
from munjigi.adapters.elasticsearch.access import Access
from munjigi.adapters.elasticsearch.blocking import BlockingCluster
from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Documents, Naming
from munjigi.adapters.elasticsearch.progress import Progress
from munjigi.adapters.elasticsearch.sender import Sender
from munjigi.adapters.elasticsearch.shipping import LogShipping
from munjigi.adapters.elasticsearch.template import install
from munjigi.adapters.elasticsearch.usage import Part, UsageThere
from munjigi.adapters.elasticsearch.view import View, every
from munjigi.adapters.usage.store import Moment, SqlUsageStore, UsageFile
from munjigi.app.files import StateFolder
from munjigi.app.usage_compared import added_up
from munjigi.app.usage_counter import ExemptTools
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.review.days import Days

RECORDS: Final = 200_000
ROUNDS: Final = 2
_FIELDS: Final = ("munjigi.resource", "munjigi.action", "munjigi.fields", "munjigi.members", "munjigi.decision_id")


async def _ship(url: str, folder: StateFolder, naming: Naming) -> None:
    async with Cluster(Access((url,), timeout=120)) as cluster:
        await install(cluster, naming, replicas=0)
        for log_id in list_logs(folder.journal):
            with closing(JournalReader(folder.journal / log_id)) as source:
                shipping = LogShipping(source, Documents(naming), Sender(cluster), Progress(folder.shipping, log_id))
                while await shipping.step():
                    pass


def measure(server: ElasticsearchServer, root: Path, records: int) -> dict[str, Any]:
    """Count both ways, and look whether it is equal. Each figure is records a second of the client's processor, of the server's, and of time."""
    url, call = server.url, server.call
    root.mkdir(mode=0o700, exist_ok=True)
    folders = {kind: written(root / kind, records // 2, shared=kind == "two") for kind in ("one", "two")}
    moments: dict[str, Moment] = {}
    journal: dict[str, float] = {}
    for kind, folder in folders.items():
        began = time.process_time()
        with closing(counter_of(folder, folder.usage)) as counter:
            while counter.count()[0]:
                pass
        journal[kind] = records / (time.process_time() - began)
        with closing(SqlUsageStore(UsageFile(folder.usage, read_only=True))) as store:
            moments[kind] = store.moment()
        asyncio.run(_ship(url, folder, Naming(f"bench-usage-{kind}", "month")))
        call("POST", f"/bench-usage-{kind}-*/_refresh")
    found: dict[str, Any] = {"records": records, "journal": journal, "one": [], "two": [], "reading": []}

    def timed(work: Callable[[], None]) -> tuple[float, float, float]:
        theirs, cpu, wall = server_cpu(server), time.process_time(), time.perf_counter()
        work()
        spent = time.process_time() - cpu, server_cpu(server) - theirs, time.perf_counter() - wall
        return tuple(records / each for each in spent)  # type: ignore[return-value]

    def count(kind: str) -> None:
        parts = [Part(mark.log_id, ((0, mark.next_index),)) for mark in moments[kind].marks]
        with closing(BlockingCluster(Access((url,), timeout=120))) as cluster, View(cluster, f"bench-usage-{kind}-*") as view:
            there = UsageThere(view, parts, ExemptTools(folders[kind]), Days("Asia/Seoul"))
            assert not there.wrong_blocks()
            assert added_up(there, Days("Asia/Seoul")) == moments[kind].grants, "the two counts differ"

    def read() -> None:
        with closing(BlockingCluster(Access((url,), timeout=120))) as cluster, View(cluster, "bench-usage-one-*") as view:
            assert sum(1 for _ in view.documents(every(), _FIELDS)) == records

    for turn in range(-1, ROUNDS):  # the first is thrown away: Java warms up
        for kind in ("one", "two"):
            figures = timed(lambda kind=kind: count(kind))
            if turn >= 0:
                found[kind].append(figures)
        figures = timed(read)
        if turn >= 0:
            found["reading"].append(figures)
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    """Put what `measure` found into lines of the table."""
    shown = []
    for kind, what in (("one", "by composite aggregations"), ("two", "columns read from documents")):
        client, server, wall = (spread(iter([each[place] for each in found[kind]])) for place in range(3))
        reading = spread(iter([each[0] for each in found["reading"]]))
        shown.append(
            Row(
                f"use counted out of Elasticsearch, {what}, records a second of the client's processor",
                within(client, "/s"),
                f"out of the journal {number(found['journal'][kind])}/s, a bare reading of the documents {number(reading.median)}/s",
                f"{client.median / found['journal'][kind]:.2f}x",
            )
        )
        shown.append(Row("same, of the server's", within(server, "/s"), f"by the clock {number(wall.median)}/s"))
    return shown


if __name__ == "__main__":
    run(measure, RECORDS)
