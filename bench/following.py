"""What following costs: Check's rate and the worker's processor time with a follower on the other core, and without.

On two cores the follower shares one with the load generator, at a lower priority, and takes from its rate; so the cost
is told by the worker's processor time. Run as `python -m bench.following FOLDER`; prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

from bench import load
from bench.machine import LOAD_CORE, cpu_seconds, pin, spread
from bench.servers import QUESTION, Server, Worker
from bench.table import Row, number, within
from munjigi.app.config import load_settings

ROUNDS: Final = 5
SECONDS: Final = 3.0
_IN_FLIGHT: Final = 50
_CATCH_UP_SECONDS: Final = 120.0


class Follower(Server):
    """A follower on the state folder of a worker: indexes and seals."""

    def __init__(self, state: Path) -> None:
        settings = load_settings({"state_dir": state, "http_address": "127.0.0.1:0", "sample": False, "log_level": "warning"})
        super().__init__(
            ["-m", "munjigi.app.follower"],
            settings.model_dump_json().encode() + b"\n",
            {"PROMETHEUS_MULTIPROC_DIR": str(state / "metrics")},
        )
        pin(LOAD_CORE, self.pid)
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            pin(LOAD_CORE, int(task.name))
            os.setpriority(os.PRIO_PROCESS, int(task.name), 10)
        self.seen = 0.0  # seconds of processor time, at the last look


def measure(folder: Path) -> dict[str, Any]:
    """Load a worker in turns, alone and followed; let the follower catch up after each of its turns."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found: dict[str, list[float]] = {"alone": [], "followed": [], "cpu alone": [], "cpu followed": []}
    spent = 0.0
    message = QUESTION.SerializeToString()
    with Worker("native", folder / "state") as worker:
        metadata = worker.credentials()
        first = worker.check(metadata).record.index
        for _ in range(ROUNDS):
            for name in ("alone", "followed"):
                follower = Follower(folder / "state") if name == "followed" else None
                try:
                    if follower is not None:
                        spent += _caught_up(follower)
                    before = cpu_seconds(worker.pid)
                    got = load.run(
                        worker.port, load.CHECK, message, metadata, in_flight=_IN_FLIGHT, seconds=SECONDS, folder=folder
                    )
                    found[name].append(got.rate)
                    found[f"cpu {name}"].append((cpu_seconds(worker.pid) - before) / got.requests * 1e6)
                    if follower is not None:
                        spent += _caught_up(follower)
                finally:
                    if follower is not None:
                        follower.stop()
        records = worker.check(metadata).record.index - first
    return {**found, "follower_us_a_record": spent / records * 1e6, "records": records}


def _caught_up(follower: Follower) -> float:
    """Wait until the follower is idle; return the seconds of processor time that it has used since the last look, or its start."""
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    before = cpu_seconds(follower.pid)
    while time.monotonic() < deadline:
        time.sleep(1.5)
        now = cpu_seconds(follower.pid)
        if now - before < 0.1:
            break
        before = now
    used, follower.seen = now - follower.seen, now
    return used


def rows(found: dict[str, Any]) -> list[Row]:
    """Put what `measure` found into lines of the table."""
    alone, followed = spread(found["alone"]), spread(found["followed"])
    cpu_alone, cpu_followed = spread(found["cpu alone"]), spread(found["cpu followed"])
    cost = cpu_followed.median / cpu_alone.median - 1
    return [
        Row(
            "worker's processor time a Check while its records are indexed and sealed",
            within(cpu_followed, " µs"),
            f"not followed {within(cpu_alone, ' µs')}",
            f"{cost:+.1%}",
            "<= 5 % more",
            cost <= 0.05,
        ),
        Row(
            "Checks then, the follower on the load generator's core",
            within(followed, "/s"),
            f"not followed {within(alone, '/s')}",
        ),
        Row("follower: processor time a record, start and catching up included", f"{number(found['follower_us_a_record'])} µs"),
    ]


if __name__ == "__main__":
    pin(LOAD_CORE)
    print(json.dumps(measure(Path(sys.argv[1]))))
