"""Load on every server in turn, several times over, and the proof that what was counted was answered ALLOW."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from bench import load
from bench.machine import Spread, cpu_seconds, spread
from bench.servers import HUNDRED, QUESTION, Empty, Server, Worker
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

_QUESTION: Final = QUESTION.SerializeToString()
_PROCESS_RECORDS: Final = 2  # that a worker may write of itself during a load
_HUNDRED: Final = HUNDRED.SerializeToString()


class Case(NamedTuple):
    """One kind of load on one server. `items` decisions a request."""

    name: str
    server: Server
    in_flight: int
    path: str = load.CHECK
    message: bytes = b""
    items: int = 1


class Measured(NamedTuple):
    """All rounds of a case. Rate in requests a second, latencies in milliseconds, processor time in microseconds a request."""

    rate: Spread
    p50: Spread
    p99: Spread
    cpu: Spread


def cases(aio: Empty, native: Empty, on_native: Worker, on_grpcio: Worker) -> list[Case]:
    """Return the cases in the order of a round: what is compared stands side by side."""
    return [
        Case("empty aio 50", aio, 50),
        Case("check grpcio 50", on_grpcio, 50, message=_QUESTION),
        Case("check native 50", on_native, 50, message=_QUESTION),
        Case("empty native 50", native, 50),
        Case("check native 200", on_native, 200, message=_QUESTION),
        Case("empty aio 200", aio, 200),
        Case("check native 1", on_native, 1, message=_QUESTION),
        Case("empty native 1", native, 1),
        Case("check grpcio 1", on_grpcio, 1, message=_QUESTION),
        Case("empty aio 1", aio, 1),
        Case("batch native", on_native, 4, load.BATCH_CHECK, _HUNDRED, 100),
        Case("batch grpcio", on_grpcio, 4, load.BATCH_CHECK, _HUNDRED, 100),
    ]


def run(all_cases: list[Case], rounds: int, seconds: float, folder: Path, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measure every case `rounds` times.

    Raises `RuntimeError` when answers were not recorded ALLOWs.
    """
    found: dict[str, list[tuple[load.Load, float]]] = {}
    metadata: dict[Server, dict[str, str]] = {
        case.server: case.server.credentials() for case in all_cases if isinstance(case.server, Worker)
    }
    for case in all_cases:
        load.run(
            case.server.port,
            case.path,
            case.message,
            metadata.get(case.server, {}),
            in_flight=case.in_flight,
            seconds=0.3,
            folder=folder,
        )
    for number in range(rounds):
        for case in all_cases:
            tell(f"round {number + 1} of {rounds}: {case.name}")
            found.setdefault(case.name, []).append(_measure(case, metadata.get(case.server, {}), seconds, folder))
    return {
        name: Measured(
            spread(each.rate for each, _ in measured),
            spread(each.p50 for each, _ in measured),
            spread(each.p99 for each, _ in measured),
            spread(cpu for _, cpu in measured),
        )
        for name, measured in found.items()
    }


def _measure(case: Case, metadata: dict[str, str], seconds: float, folder: Path) -> tuple[load.Load, float]:
    worker = case.server if isinstance(case.server, Worker) else None
    before = worker.check(metadata).record.index if worker else 0
    began = cpu_seconds(case.server.pid)
    measured = load.run(
        case.server.port, case.path, case.message, metadata, in_flight=case.in_flight, seconds=seconds, folder=folder
    )
    # The end of the load is abrupt: the server may still work on what was in flight.
    used = cpu_seconds(case.server.pid) - began
    if worker:
        recorded = worker.check(metadata).record.index - before - 1
        answered = measured.requests * case.items
        # Calls in flight at the end are recorded and not counted by the generator, which has broken off.
        if not answered <= recorded <= answered + (case.in_flight + _PROCESS_RECORDS) * case.items:
            raise RuntimeError(f"{case.name}: {answered} answers, {recorded} records")
    return measured, used / measured.requests * 1e6


def only_allowed(worker: Worker) -> None:
    """Raise `RuntimeError` when any decision of this worker was a DENY, or has no record."""
    counted = worker.counted()
    if counted.denied or counted.allowed > counted.records:
        raise RuntimeError(f"not every answer was a recorded ALLOW: {counted}")


def fill(worker: Worker, checks: int) -> None:
    """Ask until the worker has recorded at least this many checks."""
    metadata = worker.credentials()
    while worker.check(metadata).record.index < checks:
        worker.batch(pb.BatchCheckRequest(items=[QUESTION] * 1000), metadata)


def unknown(worker: Worker, checks: int, memory: Callable[[], float]) -> list[tuple[int, float]]:
    """Ask about unknown employees and resources, none of them twice; return (checks so far, resident MiB) ten times."""
    seen: list[tuple[int, float]] = []
    asked = 0
    step = checks // 10
    while asked < checks:
        metadata = worker.credentials(f"ghost.{asked:x}")
        request = pb.BatchCheckRequest(
            items=[
                pb.CheckRequest(
                    resource=f"crm.t{asked + i:x}", fields=[f"f{asked + i:x}"], purpose=f"p{asked + i:x}", subject_count=1
                )
                for i in range(1000)
            ]
        )
        answer = worker.batch(request, metadata)
        if any(each.response.decision != pb.DECISION_DENY for each in answer.results):
            raise RuntimeError("an unknown name was not denied")
        asked += len(answer.results)
        if asked // step > len(seen):
            time.sleep(0.2)
            seen.append((asked, memory()))
    return seen
