"""What following costs: Check's rate and the worker's processor time with a follower on the other core, and without.

In turns: alone; followed, so that records are indexed and sealed; and shipped as well, to a real Elasticsearch, started as the
tests do. After each of the two a turn beside a neighbour that takes as much of the other core and has nothing to do with Munjigi
(`bench/neighbour.py`): what that one costs, too, is not following's. On two cores follower and cluster share one with the load
generator and take from its rate; so the cost is told by the worker's processor time. Run as `PYTHONPATH=tests python -m
bench.following FOLDER`; prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from bench import load
from bench.cluster import installed, server_cpu, started
from bench.machine import LOAD_CORE, cpu_seconds, pin, spread
from bench.servers import NICENESS, QUESTION, Neighbour, Server, Worker, beside
from bench.table import Row, within
from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.adapters.elasticsearch.documents import Naming
from munjigi.adapters.elasticsearch.progress import Progress
from munjigi.app.config import load_settings, to_json
from munjigi.kernel.errors import Unavailable

ROUNDS: Final = 5
SECONDS: Final = 3.0
_IN_FLIGHT: Final = 50
_CATCH_UP_SECONDS: Final = 600.0
_SEALED_SECONDS: Final = 2.5  # after the last record is read, the checkpoint over it is signed within two


class Follower(Server):
    """A follower on the state folder of a worker: indexes and seals, and ships where it is given a cluster's address."""

    def __init__(self, state: Path, url: str = "") -> None:
        settings = load_settings(
            {
                "state_dir": state,
                "http_address": "127.0.0.1:0",
                "sample": False,
                "log_level": "warning",
                "elasticsearch_urls": (url,) if url else (),
                "audit_search": "sqlite",  # indexed in every turn
            }
        )
        super().__init__(
            ["-m", "munjigi.app.follower"],
            to_json(settings) + b"\n",
            {"PROMETHEUS_MULTIPROC_DIR": str(state / "metrics")},
        )
        self.ships = bool(url)
        beside(self.pid)


def measure(folder: Path) -> dict[str, Any]:
    """Load a worker in turns; let the follower catch up before and after each of its own."""
    folder.mkdir(mode=0o700, exist_ok=True)
    message = QUESTION.SerializeToString()
    with started() as (elastic, missing), Worker("native", folder / "state") as worker:
        url = elastic.url if elastic is not None else ""
        if url:
            installed(url, Naming())
        found: dict[str, Any] = {"missing": missing, "rate": {}, "cpu": {}, "follower_us": {}, "share": {}}
        metadata = worker.credentials()

        def taken(kind: str, other: Server | None) -> float:
            """Return the processor seconds that were used beside the load generator."""
            of_elastic = server_cpu(elastic) if elastic is not None and kind == "shipped" else 0.0
            return of_elastic + (cpu_seconds(other.pid) if other is not None else 0.0)

        def loaded(kind: str, other: Server | None) -> int:
            """Load the worker once; return the number of Checks."""
            of_worker, of_beside = cpu_seconds(worker.pid), taken(kind, other)
            begun = time.monotonic()
            got = load.run(worker.port, load.CHECK, message, metadata, in_flight=_IN_FLIGHT, seconds=SECONDS, folder=folder)
            if other is not None:
                share = (taken(kind, other) - of_beside) / (time.monotonic() - begun)
                found["share"].setdefault(kind, []).append(share)
            found["rate"].setdefault(kind, []).append(got.rate)
            found["cpu"].setdefault(kind, []).append((cpu_seconds(worker.pid) - of_worker) / got.requests * 1e6)
            return got.requests

        for _ in range(ROUNDS):
            loaded("alone", None)
            for kind in ("followed", "shipped") if url else ("followed",):
                follower = Follower(folder / "state", url if kind == "shipped" else "")
                try:
                    begun = _caught_up(follower, worker, metadata)
                    requests = loaded(kind, follower)
                    spent = (_caught_up(follower, worker, metadata) - begun) / requests * 1e6
                    found["follower_us"].setdefault(kind, []).append(spent)
                finally:
                    follower.stop()
                neighbour = Neighbour(found["share"][kind][-1], niceness=NICENESS)
                try:
                    loaded(_BESIDE + kind, neighbour)
                finally:
                    neighbour.stop()
    return found


def _caught_up(follower: Follower, worker: Worker, metadata: dict[str, str]) -> float:
    """Wait until the follower has done all there is; return the seconds of processor time that it has used.

    Raises `AssertionError` when that takes too long.
    """
    record = worker.check(metadata).record
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    while _indexed(worker, record.log_id) <= record.index or (
        follower.ships and Progress(worker.folder.shipping, record.log_id).cursor().next_index <= record.index
    ):
        assert time.monotonic() < deadline, "the follower did not catch up"
        time.sleep(0.1)
    time.sleep(_SEALED_SECONDS)
    return cpu_seconds(follower.pid)


def _indexed(worker: Worker, log_id: str) -> int:
    """Return how far the index is; opened anew each time, since the follower may make the file anew."""
    try:
        with closing(SqliteAuditIndex(worker.folder.index, read_only=True)) as index:
            return index.cursor(log_id)
    except Unavailable:
        return 0


_BESIDE: Final = "beside one that uses as much as "
_NAMES: Final = {"followed": "indexed and sealed", "shipped": "indexed, sealed and shipped"}


def rows(found: dict[str, Any]) -> list[Row]:
    """Put what `measure` found into lines of the table."""
    rate = {kind: spread(each) for kind, each in found["rate"].items()}
    cpu = {kind: spread(each) for kind, each in found["cpu"].items()}
    lines = []
    for kind, name in _NAMES.items():
        if kind not in cpu:
            continue
        cost = cpu[kind].median / cpu["alone"].median - 1
        beside = cpu[_BESIDE + kind]
        own = cpu[kind].median / beside.median - 1
        lines += [
            Row(
                f"worker's processor time a Check while its records are {name}",
                within(cpu[kind], " µs"),
                f"not followed {within(cpu['alone'], ' µs')}",
                f"{cost:+.1%}",
                "<= 5 % more",
                cost <= 0.05,
            ),
            Row(
                f"same, beside a neighbour that only uses the other core as much ({spread(found['share'][kind]).median:.0%})",
                within(beside, " µs"),
                f"not followed {within(cpu['alone'], ' µs')}",
                f"{beside.median / cpu['alone'].median - 1:+.1%}, following's own {own:+.1%}",
            ),
            Row(
                "Checks then, "
                + ("follower and Elasticsearch" if kind == "shipped" else "the follower")
                + " on the load generator's core",
                within(rate[kind], "/s"),
                f"not followed {within(rate['alone'], '/s')}",
            ),
            Row(f"follower: processor time a record that is {name}", within(spread(found["follower_us"][kind]), " µs")),
        ]
    return lines


if __name__ == "__main__":
    pin(LOAD_CORE)
    print(json.dumps(measure(Path(sys.argv[1]))))
