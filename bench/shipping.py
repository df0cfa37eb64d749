"""Shipping a backlog into a real Elasticsearch, against the official bulk helper with the same documents in the same run.

Run as `PYTHONPATH=tests python -m bench.shipping FOLDER [RECORDS]`, which starts the server that the tests start; prints JSON.
The helper gets documents that are made already; ours reads the journal, makes them, judges every answer and syncs its cursor.
Rounds are interleaved, each into indices of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from elastic.server import ElasticsearchServer
from elasticsearch import Elasticsearch, helpers

from bench.cluster import installed, run, server_cpu
from bench.journal import sample_record
from bench.machine import spread
from bench.table import Row, number, within
from munjigi.adapters.elasticsearch.access import Access
from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Documents, Naming
from munjigi.adapters.elasticsearch.progress import Progress
from munjigi.adapters.elasticsearch.sender import Sender
from munjigi.adapters.elasticsearch.shipping import LogShipping
from munjigi.audit.journal import Journal
from munjigi.audit.reader import JournalReader
from munjigi.audit.schema.ecs import document
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.ids import record_id

RECORDS: Final = 40_000  # a round
ROUNDS: Final = 3


def backlog(folder: Path, records: int) -> JournalReader:
    """Write a journal that nobody has shipped."""
    journal = Journal.open(
        folder / "journal", 0, quarantine=folder / "quarantine", clock=SystemClock(), randomness=bytes(16), segment_bytes=64 << 20
    )
    record = sample_record()
    for number_ in range(records):
        record.request_id = f"{number_:032x}"
        record.index = -1
        journal.append(record)
    journal.sync()
    journal.close()
    return JournalReader(folder / "journal" / journal.log_id)


def _documents(source: JournalReader, naming: Naming, limit: int) -> list[dict[str, Any]]:
    documents = Documents(naming)
    return [
        {
            "_op_type": "create",
            "_index": documents.target(payload),
            "_id": record_id(source.log_id, index),
            "_source": document(source.log_id, index, payload),
        }
        for index, payload in source.read(0, limit)
    ]


def _helper(url: str, actions: list[dict[str, Any]]) -> None:
    with Elasticsearch(url) as client:
        # The build that tests use lacks `GET /`, which the helper does not need either.
        done, failed = helpers.bulk(client, iter(actions), raise_on_error=False)
        assert (done, failed) == (len(actions), [])


async def _ours(url: str, source: JournalReader, naming: Naming, folder: Path) -> None:
    async with Cluster(Access((url,))) as cluster:
        shipping = LogShipping(source, Documents(naming), Sender(cluster), Progress(folder, source.log_id))
        while await shipping.step():
            pass


def _ship(url: str, source: JournalReader, naming: Naming, folder: Path) -> None:
    asyncio.run(_ours(url, source, naming, folder))


def _timed(work: Callable[[], None], records: int) -> tuple[float, float]:
    """Return records a second, and the client's CPU microseconds a record."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return records / (time.perf_counter() - wall), (time.process_time() - cpu) / records * 1e6


def measure(server: ElasticsearchServer, folder: Path, records: int) -> dict[str, list[tuple[float, float, float]]]:
    """Ship a backlog several times both ways, and look whether it is there.

    Each round is records a second, and microseconds of processor time a record, the client's and the server's.
    """
    found: dict[str, list[tuple[float, float, float]]] = {"helper": [], "ours": []}
    url, call = server.url, server.call
    folder.mkdir(mode=0o700, exist_ok=True)
    source = backlog(folder, records)
    for turn in range(-1, ROUNDS):  # the first is thrown away: Java warms up
        for kind, kept in found.items():
            naming = Naming(f"bench-{kind}-{turn + 1}")
            installed(url, naming)
            actions = _documents(source, naming, records) if kind == "helper" else []
            scratch = folder / naming.prefix
            scratch.mkdir()
            work = partial(_helper, url, actions) if kind == "helper" else partial(_ship, url, source, naming, scratch)
            before = server_cpu(server)
            figures = _timed(work, records)
            of_server = (server_cpu(server) - before) / records * 1e6
            call("POST", f"/{naming.pattern}/_refresh")
            assert call("GET", f"/{naming.pattern}/_count")["count"] == records
            call("DELETE", f"/{naming.of_time(time.time_ns())}")
            if turn >= 0:
                kept.append((*figures, of_server))
    return found


def rows(found: dict[str, list[tuple[float, float, float]]]) -> list[Row]:
    """Put what `measure` found into lines of the table."""
    rate = {kind: spread(iter([each[0] for each in figures])) for kind, figures in found.items()}
    cpu = {kind: spread(iter([each[1] for each in figures])) for kind, figures in found.items()}
    server = {kind: spread(iter([each[2] for each in figures])) for kind, figures in found.items()}
    ratio = rate["ours"].median / rate["helper"].median
    return [
        Row(
            "backlog shipped into a real Elasticsearch, client and server on the same cores",
            within(rate["ours"], "/s"),
            f"official helpers.bulk {within(rate['helper'], '/s')}",
            f"{ratio:.2f}x",
            ">= 15,000/s, >= 2x",
            rate["ours"].median >= 15_000 and ratio >= 2,
            cpu=within(cpu["ours"]),
        ),
        Row(
            "client CPU a record shipped: journal to cluster",
            f"{within(cpu['ours'])} µs",
            f"official helper, documents made beforehand: {number(cpu['helper'].median)} µs",
            f"{cpu['ours'].median / cpu['helper'].median:.2f}x",
            "<= 15 µs",
            cpu["ours"].median <= 15,
        ),
        Row(
            "Elasticsearch's own CPU a record of these",
            f"{within(server['ours'])} µs",
            f"fed by the official helper: {number(server['helper'].median)} µs",
            f"{server['ours'].median / cpu['ours'].median:.1f}x the client's",
        ),
    ]


if __name__ == "__main__":
    run(measure, RECORDS)
