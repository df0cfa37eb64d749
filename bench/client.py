"""What the Python client's coalescing brings: `python -m bench.client`, about half a minute.

The same 200 tasks, or 32 threads, on one real worker, with and without coalescing in turn; the client on one core, the
worker on another. One question alone is timed, too: coalescing must not make it wait. Every answer must be ALLOW, and the
journal must have grown by as many records.
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
from munjigi_client import AsyncClient, Client

_TASKS: Final = 200
_THREADS: Final = 32
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--front", default="native", choices=("native", "grpcio"))
    options = parser.parse_args()
    pin(LOAD_CORE)
    cases = {
        (name, coalesce): make(count, coalesce=coalesce)
        for name, make, count in (
            (f"{_TASKS} tasks", _tasks, _TASKS),
            (f"{_THREADS} threads", _threads, _THREADS),
            ("1 task", _tasks, 1),
            ("1 thread", _threads, 1),
        )
        for coalesce in (False, True)
    }
    rates: dict[tuple[str, bool], list[float]] = {}
    waits: dict[tuple[str, bool], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, Worker(options.front, Path(folder) / "state") as worker:
        metadata = worker.credentials()
        for _ in range(options.rounds):
            for case, run in cases.items():
                before = worker.check(metadata).record.index
                done, wait = run(f"127.0.0.1:{worker.port}", metadata, options.seconds)
                recorded = worker.check(metadata).record.index - before - 2  # this check, and the one that connects
                if not done <= recorded <= done + 2:  # the worker may write a record of its own
                    raise RuntimeError(f"{case}: {done} answers, {recorded} records")
                rates.setdefault(case, []).append(done / options.seconds)
                waits.setdefault(case, []).append(wait * 1000)
    print(f"{len(CORES)} cores, {options.front} front, {options.rounds} rounds of {options.seconds:g} s; median (min-max)")
    for (name, coalesce), found in rates.items():
        rate, wait_ms = spread(found), spread(waits[name, coalesce])
        ratio = rate.median / spread(rates[name, False]).median
        print(
            f"{name:12} {'coalescing' if coalesce else 'one by one':10} {rate.median:8,.0f}/s ({rate.low:,.0f}-{rate.high:,.0f})"
            f"  {ratio:5.2f}x  p50 {wait_ms.median:6.2f} ms ({wait_ms.low:.2f}-{wait_ms.high:.2f})"
        )


if __name__ == "__main__":
    main()
