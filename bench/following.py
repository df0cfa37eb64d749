"""What following costs: a worker's processor time a Check with a follower on the other core, and without.

In short turns, many, in changing order: alone, while the follower is stopped (SIGSTOP); followed, so that records are indexed and
sealed, or shipped as well, to a real Elasticsearch, started as the tests do; and, the follower stopped again, beside a neighbour
that takes as much of the other core and has nothing to do with Munjigi (`bench/neighbour.py`): what that one costs, too, is not
following's. Before each turn the follower has caught up. The turns of a round are a few seconds apart and are compared with each
other only, so that the machine's drift is in none of the ratios; told is their median, with the interval that holds the true one
in 95 of 100 runs. On two cores follower and cluster share one with the load generator.
Run as `PYTHONPATH=tests python -m bench.following FOLDER`; prints JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from elastic.server import ElasticsearchServer

from bench import load
from bench.cluster import installed, pids, server_cpu, started
from bench.machine import LOAD_CORE, cpu_seconds, pin, spread
from bench.servers import NICENESS, QUESTION, Neighbour, Server, Worker, beside
from bench.table import Row, median_within, within
from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.adapters.elasticsearch.documents import Naming
from munjigi.adapters.elasticsearch.progress import Progress
from munjigi.app.config import load_settings, to_json
from munjigi.kernel.errors import Unavailable

ALONE, FOLLOWED, BESIDE = "alone", "followed", "beside"
ORDERS: Final = tuple(itertools.permutations((ALONE, FOLLOWED, BESIDE)))
ROUNDS: Final = 4 * len(ORDERS)
SECONDS: Final = 1.0
_IN_FLIGHT: Final = 400  # with fewer, a load generator that is woken late leaves the worker too little to do
_CATCH_UP_SECONDS: Final = 600.0
_SEALED_SECONDS: Final = 2.5  # after the last record is read, the checkpoint over it is signed within two
_NAMES: Final = {"indexing": "indexed and sealed", "shipping": "indexed, sealed and shipped"}


class Follower(Server):
    """A follower on the state folder of a worker: indexes and seals, and ships where it is given a cluster."""

    def __init__(self, worker: Worker, elastic: ElasticsearchServer | None) -> None:
        settings = load_settings(
            {
                "state_dir": worker.folder.root,
                "http_address": "127.0.0.1:0",
                "sample": False,
                "log_level": "warning",
                "elasticsearch_urls": (elastic.url,) if elastic is not None else (),
                "audit_search": "sqlite",  # indexed in both series
            }
        )
        super().__init__(
            ["-m", "munjigi.app.follower"],
            to_json(settings) + b"\n",
            {"PROMETHEUS_MULTIPROC_DIR": str(worker.folder.metrics)},
        )
        self._worker = worker
        self._elastic = elastic
        beside(self.pid)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold all its threads still."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def used(self) -> float:
        """Return the processor seconds of it and of the cluster that it ships to."""
        return cpu_seconds(self.pid) + (server_cpu(self._elastic) if self._elastic is not None else 0.0)

    def catch_up(self, metadata: dict[str, str], pause: float = 0.0) -> float:
        """Wait until it has done all there is, and for the `pause` after; return its own processor seconds so far.

        Raises `AssertionError` when that takes too long.
        """
        record = self._worker.check(metadata).record
        deadline = time.monotonic() + _CATCH_UP_SECONDS
        while self._indexed(record.log_id) <= record.index or (
            self._elastic is not None
            and Progress(self._worker.folder.shipping, record.log_id).cursor().next_index <= record.index
        ):
            assert time.monotonic() < deadline, "the follower did not catch up"
            time.sleep(0.05)
        time.sleep(pause)
        return cpu_seconds(self.pid)

    def _indexed(self, log_id: str) -> int:
        """Return how far the index is; opened anew each time, since the follower may make the file anew."""
        try:
            with closing(SqliteAuditIndex(self._worker.folder.index, read_only=True)) as index:
                return index.cursor(log_id)
        except Unavailable:
            return 0


def measure(folder: Path) -> dict[str, Any]:
    """Load a worker in turns, with a follower that indexes and seals, and with one that ships as well."""
    folder.mkdir(mode=0o700, exist_ok=True)
    with started() as (elastic, missing), Worker("native", folder / "state") as worker:
        found: dict[str, Any] = {"missing": missing, "indexing": _series(folder, worker, None)}
        if elastic is not None:
            installed(elastic.url, Naming())
            for pid in pids(elastic):
                beside(pid)  # elsewhere it has a machine of its own; here the load generator goes before it
            found["shipping"] = _series(folder, worker, elastic)
    return found


def _series(folder: Path, worker: Worker, elastic: ElasticsearchServer | None) -> dict[str, Any]:
    """Return rates and microseconds a Check by kind, a value a round; shares of its core; microseconds a followed record."""
    message, metadata = QUESTION.SerializeToString(), worker.credentials()
    rate: dict[str, list[float]] = {ALONE: [], FOLLOWED: [], BESIDE: []}
    cpu: dict[str, list[float]] = {ALONE: [], FOLLOWED: [], BESIDE: []}
    share: list[float] = []
    checks = 0

    def turn(kind: str) -> None:
        nonlocal checks
        begun = cpu_seconds(worker.pid)
        got = load.run(worker.port, load.CHECK, message, metadata, in_flight=_IN_FLIGHT, seconds=SECONDS, folder=folder)
        cpu[kind].append((cpu_seconds(worker.pid) - begun) / got.requests * 1e6)
        rate[kind].append(got.rate)
        checks += got.requests

    with Follower(worker, elastic) as follower:
        begun = follower.catch_up(metadata, _SEALED_SECONDS)
        for order in ((FOLLOWED,), *ORDERS * (ROUNDS // len(ORDERS))):  # the first warms all, and says what the neighbour takes
            for kind in order:
                if kind == FOLLOWED:
                    at, used = time.monotonic(), follower.used()
                    turn(kind)
                    share.append((follower.used() - used) / (time.monotonic() - at))
                elif kind == ALONE:
                    with follower.paused():
                        turn(kind)
                else:
                    with follower.paused(), Neighbour(share[-1], niceness=NICENESS):
                        turn(kind)
                follower.catch_up(metadata)
        spent = follower.catch_up(metadata, _SEALED_SECONDS) - begun
    for first in (rate[FOLLOWED], cpu[FOLLOWED], share):
        del first[0]
    return {"rate": rate, "cpu": cpu, "share": share, "record_us": spent / checks * 1e6}


def _changes(found: dict[str, list[float]], kind: str, than: str) -> list[float]:
    return [a / b - 1 for a, b in zip(found[kind], found[than], strict=True)]


def _more(found: dict[str, list[float]], kind: str, than: str) -> str:
    return median_within(_changes(found, kind, than))


def rows(found: dict[str, Any]) -> list[Row]:
    """Put what `measure` found into lines of the table."""
    lines = []
    for kind, name in _NAMES.items():
        if kind not in found:
            continue
        rate, cpu, share = (found[kind][each] for each in ("rate", "cpu", "share"))
        alone = f"not followed {within(spread(cpu[ALONE]), ' µs')}"
        lines += [
            Row(
                f"worker's processor time a Check while its records are {name}",
                within(spread(cpu[FOLLOWED]), " µs"),
                alone,
                _more(cpu, FOLLOWED, ALONE),
                "<= 5 % more",
                median(_changes(cpu, FOLLOWED, ALONE)) <= 0.05,
            ),
            Row(
                f"same, beside a neighbour that only uses the other core as much ({spread(share).median:.0%})",
                within(spread(cpu[BESIDE]), " µs"),
                alone,
                f"{_more(cpu, BESIDE, ALONE)}; followed against this {_more(cpu, FOLLOWED, BESIDE)}",
            ),
            Row(
                "Checks then, "
                + ("follower and Elasticsearch" if kind == "shipping" else "the follower")
                + " on the load generator's core",
                within(spread(rate[FOLLOWED]), "/s"),
                f"not followed {within(spread(rate[ALONE]), '/s')}",
                f"{_more(rate, FOLLOWED, ALONE)}; beside the neighbour {_more(rate, BESIDE, ALONE)}",
                "<= 5 % fewer",
                median(_changes(rate, FOLLOWED, ALONE)) >= -0.05,
            ),
            Row(f"follower: processor time a record that is {name}", f"{found[kind]['record_us']:.1f} µs"),
        ]
    return lines


if __name__ == "__main__":
    pin(LOAD_CORE)
    print(json.dumps(measure(Path(sys.argv[1]))))
