"""What the Python client's coalescing brings: `python -m bench.client`, about half a minute.

The same 200 or 400 tasks, or 32 threads, on one real worker, with and without coalescing in turn; the client on one core, the
worker on another. More tasks make larger batches, and a batch costs both sides something whatever its size. One question alone is
timed, too: coalescing must not make it wait. Every answer must be ALLOW, and the journal must have grown by as many records.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.machine import CORES, LOAD_CORE, pin, spread
from bench.servers import QUESTION, Worker
from bench.table import Row, number, show, within
from munjigi_client import AsyncClient, Client

_CROWDS: Final = (200, 400)  # tasks
_THREADS: Final = 32
COALESCING: Final = "coalescing"
ONE_BY_ONE: Final = "one by one"
_ASK: Final[dict[str, Any]] = {"fields": list(QUESTION.fields), "purpose": QUESTION.purpose, "case_id": QUESTION.case_id}
Case = Callable[[str, dict[str, str], float], tuple[int, float]]


def _tokens(metadata: dict[str, str]) -> dict[str, str]:
    return {
        "employee_token": metadata["authorization"].removeprefix("Bearer "),
        "tool_token": metadata["munjigi-tool-token"],
    }


def _tasks(count: int, *, coalesce: bool) -> Case:
    """Return a case of `count` tasks that ask one question after the other."""

    async def run(target: str, metadata: dict[str, str], seconds: float) -> tuple[int, float]:
        async with AsyncClient(target, **_tokens(metadata), timeout=20, coalesce=coalesce) as client:
            await client.check(QUESTION.resource, **_ASK, member_ids=["1000001"])
            end = time.perf_counter() + seconds
            waits: list[float] = []

            async def asking(number: int) -> int:
                asked = 0
                while (began := time.perf_counter()) < end:
                    decision = await client.check(QUESTION.resource, **_ASK, member_ids=[str(1_000_001 + number)])
                    if not decision.allowed:
                        raise RuntimeError(f"the sample question was answered {decision.reason}")
                    asked += 1
                    if number == 0:
                        waits.append(time.perf_counter() - began)
                return asked

            done = sum(await asyncio.gather(*(asking(number) for number in range(count))))
        return done, statistics.median(waits)

    return lambda target, metadata, seconds: asyncio.run(run(target, metadata, seconds))


def _threads(count: int, *, coalesce: bool) -> Case:
    """Return a case of `count` threads that ask one question after the other."""

    def run(target: str, metadata: dict[str, str], seconds: float) -> tuple[int, float]:
        done: list[int] = []
        waits: list[float] = []
        with Client(target, **_tokens(metadata), timeout=20, coalesce=coalesce) as client:
            client.check(QUESTION.resource, **_ASK, member_ids=["1000001"])
            end = time.perf_counter() + seconds

            def asking(number: int) -> None:
                asked = 0
                while (began := time.perf_counter()) < end:
                    if client.check(QUESTION.resource, **_ASK, member_ids=[str(1_000_001 + number)]).allowed:
                        asked += 1
                    if number == 0:
                        waits.append(time.perf_counter() - began)
                done.append(asked)

            threads = [threading.Thread(target=asking, args=(number,)) for number in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if len(done) != count:
            raise RuntimeError("a thread failed")
        return sum(done), statistics.median(waits)

    return run


def measure(folder: Path, front: str, rounds: int, seconds: float) -> dict[str, dict[str, list[float]]]:
    """Return answers a second and the median wait (ms) of each round, by case and way."""
    cases = {
        (name, way): make(count, coalesce=way == COALESCING)
        for name, make, count in (
            *((f"{count} tasks", _tasks, count) for count in _CROWDS),
            (f"{_THREADS} threads", _threads, _THREADS),
            ("1 task", _tasks, 1),
            ("1 thread", _threads, 1),
        )
        for way in (ONE_BY_ONE, COALESCING)
    }
    found: dict[str, dict[str, list[float]]] = {}
    with Worker(front, folder) as worker:
        metadata = worker.credentials()
        for _ in range(rounds):
            for (name, way), run in cases.items():
                before = worker.check(metadata).record.index
                done, wait = run(f"127.0.0.1:{worker.port}", metadata, seconds)
                recorded = worker.check(metadata).record.index - before - 2  # this check, and the one that connects
                if not done <= recorded <= done + 2:  # the worker may write a record of its own
                    raise RuntimeError(f"{name} {way}: {done} answers, {recorded} records")
                of_case = found.setdefault(name, {})
                of_case.setdefault(way, []).append(done / seconds)
                of_case.setdefault(f"{way} ms", []).append(wait * 1000)
    return found


def rows(found: dict[str, dict[str, list[float]]]) -> list[Row]:
    """Return the lines of the table."""
    made = []
    for name, each in found.items():
        rate, alone = spread(each[COALESCING]), spread(each[ONE_BY_ONE])
        wait, wait_alone = spread(each[f"{COALESCING} ms"]), spread(each[f"{ONE_BY_ONE} ms"])
        crowd = name == f"{_CROWDS[-1]} tasks"
        made.append(
            Row(
                f"Python client, {name}, coalescing",
                within(rate, "/s"),
                f"one by one {within(alone, '/s')}, p50 {number(wait_alone.median)} ms",
                f"{rate.median / alone.median:.2f}x",
                ">= 60,000/s" if crowd else "",
                rate.median >= 60_000 if crowd else None,
                f"{number(wait.median)} /",
            )
        )
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--front", default="native", choices=("native", "grpcio"))
    options = parser.parse_args()
    pin(LOAD_CORE)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder) / "state", options.front, options.rounds, options.seconds)
    notes = [f"{len(CORES)} cores, {options.front} front, {options.rounds} rounds of {options.seconds:g} s; median (min-max)"]
    show(rows(found), "The Python client's coalescing", notes)


if __name__ == "__main__":
    main()
