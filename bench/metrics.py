"""What metrics cost: a Check's processor time with them and without, and a page of four busy workers.

Processor time, so that other work on the machine is not counted. Two meters, of which one counts nothing, are given to the same gateway
in turns; what is counted is handed to the metric files as often as a worker at its best does it, once every 12,000 checks. The
difference is compared with what a Check takes of a worker under load in the same run, front and commit included.
Run as `python -m bench.metrics FOLDER`; prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import uvloop

from bench import load
from bench.machine import LOAD_CORE, SERVER_CORE, Spread, cpu_seconds, percentile, pin, spread
from bench.servers import EMPLOYEE, QUESTION, ROOT, TOOL, Worker
from bench.table import Row, number, within
from munjigi.adapters.identity.local_issuer import mint_employee, mint_tool
from munjigi.adapters.metrics_page import render
from munjigi.adapters.prometheus import PrometheusSink
from munjigi.app.bootstrap import open_gateway
from munjigi.app.config import load_settings
from munjigi.app.files import StateFolder
from munjigi.monitoring.counted import Counted
from munjigi.monitoring.meter import Meter
from munjigi.rpc.credentials import credentials_of

_ROUNDS: Final = 120
_CHECKS: Final = 1_000
_A_SECOND: Final = 12_000
_PEER: Final = "ipv4:127.0.0.1:50000"
_WORKERS: Final = 4
_PAGES: Final = 20
_LOADS: Final = 3


class NullMeter:
    """Counts nothing."""

    def decision(self, door: str, counted: Any, subjects: int) -> None:
        pass

    def call(self, door: str, reason: str, seconds: float) -> bool:
        return False

    def flush(self) -> None:
        pass


def worker_us(folder: Path) -> list[float]:
    """Return the microseconds of processor time that a Check takes of a loaded worker, by round."""
    found = []
    message = QUESTION.SerializeToString()
    with Worker("native", folder) as worker:
        for _ in range(_LOADS):
            before = cpu_seconds(worker.pid)
            got = load.run(
                worker.port, load.CHECK, message, worker.credentials(), in_flight=50, seconds=2.0, folder=folder.parent
            )
            found.append((cpu_seconds(worker.pid) - before) / got.requests * 1e6)
    return found


async def measure(state: Path) -> dict[str, Any]:
    """Return microseconds a Check by meter, and seconds and series of a page."""
    settings = load_settings({"state_dir": state, "policy_home": ROOT / "policies", "sample": False})
    gateway = open_gateway(settings, lambda error: sys.exit(str(error)))
    metadata = (
        ("authorization", f"Bearer {mint_employee(state, EMPLOYEE, TOOL)}"),
        ("munjigi-tool-token", mint_tool(state, TOOL)),
    )
    method = next(each for each in gateway.methods if each.path == "/munjigi.v1.DecisionService/Check")
    payload, trust, start = QUESTION.SerializeToString(), gateway.trust, gateway.pipeline.start
    pipeline: Any = gateway.pipeline
    desk: Any = method.handler.__self__._desk  # type: ignore[attr-defined]  # noqa: SLF001 - what the services are given once
    meters: dict[str, Any] = {"metrics": gateway.meter, "none": NullMeter()}
    found: dict[str, list[float]] = {name: [] for name in meters}
    for turn in range(_ROUNDS):
        for name in sorted(meters, reverse=bool(turn % 2)):
            pipeline._meter = desk._meter = meters[name]  # noqa: SLF001 - as above
            began = time.process_time()
            for _ in range(_CHECKS):
                start(method, payload, credentials_of(metadata, _PEER, None, trust))
            counted = time.process_time() - began
            if name == "metrics":
                began = time.process_time()
                meters[name].flush()
                counted += (time.process_time() - began) * _CHECKS / _A_SECOND
            found[name].append(counted / _CHECKS * 1e6)
            await gateway.committer.durable()
    methods = [each.name for each in gateway.methods]
    reasons = ["OK", "REQUEST_INVALID", "TOKEN_EXPIRED"]
    tools, purposes = list(gateway.home.snapshot.bundle.tools), list(gateway.home.snapshot.bundle.purposes)
    classes = sorted({each for classes in gateway.home.snapshot.bundle.classes.values() for each in classes})
    await gateway.committer.close()
    gateway.journal.close()
    gateway.index.close()
    gateway.store.close()
    return {"check_us": found, **_page(methods, reasons, tools, purposes, classes)}


def _page(methods: list[str], reasons: list[str], tools: list[str], purposes: list[str], classes: list[str]) -> dict[str, Any]:
    """Fill the files of four workers who were asked everything, and render them."""
    for slot in range(_WORKERS):
        meter = Meter(PrometheusSink(f"worker-{slot}"))
        for door in methods:
            for reason in reasons:
                for step in range(60):
                    meter.call(door, reason, 0.00003 * 1.25**step)
            for verdict, reason in ((True, "GRANTED"), (False, "NO_GRANT"), (False, "RULE_DENIES")):
                for tool in tools:
                    for purpose in purposes:
                        meter.decision(door, Counted(verdict, reason, tool, purpose, tuple(classes), download=True), 1)
        meter.flush()
    pages, cpu = [], []
    for _ in range(_PAGES):
        began = time.process_time()
        page = render()
        cpu.append(time.process_time() - began)
        pages.append(page.seconds)
    return {"page_seconds": pages, "page_cpu_seconds": cpu, "series": page.series, "bytes": len(page.content)}


def rows(found: dict[str, Any]) -> list[Row]:
    """Put what `measure` found into lines of the table."""
    with_, without = (percentile(sorted(found["check_us"][name]), 0.1) for name in ("metrics", "none"))  # what disturbs only adds
    price = with_ - without
    worker = spread(found["worker_us"])
    page: Spread = spread(found["page_cpu_seconds"])
    return [
        Row(
            "metrics: processor time that they add to a Check",
            f"{number(price)} µs",
            f"a Check takes of a worker {within(worker, ' µs')}",
            f"{price / worker.median:+.1%}",
            "<= 2 % more",
            price / worker.median <= 0.02,
        ),
        Row(
            "metrics: processor time of a page of 4 workers asked everything, in the follower",
            within(page.divided(1e-3), " ms"),
            target="<= 100 ms",
            met=page.median <= 0.1,
        ),
        Row("metrics: series of that page", number(found["series"]), target="<= 2,000", met=found["series"] <= 2_000),
    ]


def main() -> None:
    """Measure and print."""
    root = Path(sys.argv[1])
    root.mkdir(mode=0o700, exist_ok=True)
    pin(LOAD_CORE)
    found: dict[str, Any] = {"worker_us": worker_us(root / "worker")}
    pin(SERVER_CORE)
    folder = StateFolder(root / "gateway")
    folder.make()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder.metrics)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found |= runner.run(measure(folder.root))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
