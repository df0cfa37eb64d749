"""What changes of grants cost the decisions: Check's rate and the worker's processor time, alone and while 100 grants change a second.

In turns, on the worker's core and the load generator's. Another process changes the grants, through the state store, as another host
would. Run as `python -m bench.changes FOLDER`; prints JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from bench import load
from bench.machine import LOAD_CORE, cpu_seconds, pin, spread
from bench.servers import QUESTION, ROOT, Worker
from bench.table import Row, within
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import grant_added, grant_changed, person_changed
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey

ROUNDS: Final = 5
_SECONDS: Final = 3.0  # a round
_A_SECOND: Final = 100  # changes
_LEAST: Final = 0.9
_YEAR: Final = 365 * 86_400 * 10**9


def change(path: Path) -> None:
    """Change grants of other people, so many a second, until the end of standard input; say how many when it has come."""
    now = time.time_ns()
    keys = [EmployeeKey("urn:bench", f"e{each}") for each in range(200)]
    grants = [Grant(f"g.{key.subject}", key, "cs_agent", "inquiry", now, now + _YEAR, ("cs.lee",)) for key in keys]
    with closing(SqliteStateStore(path)) as store:
        if grants[0].grant_id not in {each.grant_id for each in store.load().grants}:
            people = [person_changed(Person(f"p.{key.subject}", "employee", "cs", (key,))) for key in keys]
            store.apply([*people, *map(grant_added, grants)], at=now, actor="bench", request_id="")
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        began, done = time.monotonic(), 0
        ends = time.monotonic() + _SECONDS
        for number, grant in enumerate(cycle(grants)):
            if time.monotonic() > ends:
                break
            store.apply(
                [grant_changed(replace(grant, ends_at=grant.ends_at - number - 1))], at=time.time_ns(), actor="b", request_id=""
            )
            done += 1
            time.sleep(max(0.0, began + done / _A_SECOND - time.monotonic()))
        sys.stdout.write(f"{done / (time.monotonic() - began)}\n")


@contextmanager
def _changing(path: Path, rates: list[float]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.changes", "--change", str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        rates.append(float(process.stdout.readline()))
        process.wait(30)


def measure(folder: Path) -> dict[str, Any]:
    """Measure in turns."""
    found: dict[str, list[float]] = {name: [] for name in ("alone", "alone cpu", "changing", "changing cpu", "changes")}
    pin(LOAD_CORE)
    folder.mkdir(mode=0o700, parents=True)
    with Worker("auto", folder / "state") as worker:
        metadata = worker.credentials()
        store = worker.folder.state

        def once(name: str) -> None:
            began = cpu_seconds(worker.pid)
            seen = load.run(
                worker.port, load.CHECK, QUESTION.SerializeToString(), metadata, in_flight=50, seconds=_SECONDS, folder=folder
            )
            found[name].append(seen.rate)
            found[f"{name} cpu"].append((cpu_seconds(worker.pid) - began) / seen.requests * 1e6)

        with _changing(store, []):
            pass  # makes the grants
        for _ in range(ROUNDS):
            once("alone")
            with _changing(store, found["changes"]):
                once("changing")
        worker.check(metadata)
    return found


def rows(figures: dict[str, Any]) -> list[Row]:
    """Make the table's rows."""
    alone, changing = spread(figures["alone cpu"]), spread(figures["changing cpu"])
    ratio = alone.median / changing.median
    return [
        Row(
            f"Check while {_A_SECOND} grants change a second (a worker's processor time decides)",
            within(spread(figures["changing"]), "/s"),
            f"without {within(spread(figures['alone']), '/s')}",
            f"{ratio:.2f}x, at {within(spread(figures['changes']))} changes/s",
            f">= {_LEAST:g}x",
            ratio >= _LEAST,
            cpu=f"{within(changing)}, without {within(alone)}",
        )
    ]


if __name__ == "__main__":
    if sys.argv[1] == "--change":
        change(Path(sys.argv[2]))
    else:
        print(json.dumps(measure(Path(sys.argv[1]))))
