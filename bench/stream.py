"""CheckStream against an empty stream on the same stack: `python -m bench.stream`, about half a minute.

The client, which is Python too and on the other core, keeps `_WINDOW` messages in flight on each of `_STREAMS` calls.
Rates are messages answered a second; beside them the processor time that the server took for one.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import grpc

from bench.machine import LOAD_CORE, Spread, cpu_seconds, pin, spread
from bench.servers import QUESTION, Empty, Server, Worker
from bench.table import Row, within
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

_PATH: Final = "/munjigi.v1.DecisionService/CheckStream"
EMPTY: Final = "empty stream, grpc.aio"
GRPCIO: Final = "CheckStream, grpcio front"
NATIVE: Final = "CheckStream, passed on by the native front"
_STREAMS: Final = 4
_WINDOW: Final = 64
ASKED: Final = pb.CheckStreamRequest(id="1", check=QUESTION).SerializeToString()


class Streamed(NamedTuple):
    """All rounds on one server. Rate in messages a second, processor time in microseconds a message."""

    rate: Spread
    cpu: Spread


def measure(servers: dict[str, tuple[Server, bytes]], rounds: int, seconds: float) -> dict[str, Streamed]:
    """Measure each server `rounds` times, in turn.

    Raises `RuntimeError` when an answer of a worker was no ALLOW, or records and answers differ.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    for number in range(rounds + 1):
        for name, (server, message) in servers.items():
            one = _once(server, message, seconds if number else 0.5)
            if number:
                found[name].append(one)
    return {name: Streamed(spread(rate for rate, _ in each), spread(cpu for _, cpu in each)) for name, each in found.items()}


def _once(server: Server, message: bytes, seconds: float) -> tuple[float, float]:
    worker = server if isinstance(server, Worker) else None
    metadata = worker.credentials() if worker else {}
    before = worker.check(metadata).record.index if worker else 0
    began, used = time.perf_counter(), cpu_seconds(server.pid)
    answered = [0] * _STREAMS
    last = [b""] * _STREAMS

    def talk(number: int, channel: grpc.Channel) -> None:
        room = threading.Semaphore(_WINDOW)
        end = time.perf_counter() + seconds

        def questions() -> Iterator[bytes]:
            while time.perf_counter() < end:
                room.acquire()
                yield message

        for answer in channel.stream_stream(_PATH)(questions(), metadata=tuple(metadata.items()), timeout=seconds + 60):
            room.release()
            answered[number] += 1
            last[number] = answer

    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        threads = [threading.Thread(target=talk, args=(number, channel)) for number in range(_STREAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    took, used, total = time.perf_counter() - began, cpu_seconds(server.pid) - used, sum(answered)
    if worker:
        recorded = worker.check(metadata).record.index - before - 1
        allowed = all(pb.CheckStreamResponse.FromString(each).response.decision == pb.DECISION_ALLOW for each in last)
        if not allowed or not total <= recorded <= total + 2:  # the worker may record something of itself meanwhile
            raise RuntimeError(f"{total} answers, {recorded} records, ALLOW: {allowed}")
    return total / took, used / total * 1e6


def rows(found: dict[str, Streamed]) -> list[Row]:
    """Return the lines of the table."""
    base = found[EMPTY].rate
    return [
        Row(
            name,
            within(found[name].rate, "/s"),
            f"{EMPTY} {within(base, '/s')}",
            f"{found[name].rate.median / base.median:.2f}x",
            ">= 0.5x" if name == GRPCIO else "",
            found[name].rate.median / base.median >= 0.5 if name == GRPCIO else None,
            "",
            within(found[name].cpu),
        )
        for name in (GRPCIO, NATIVE)
    ]


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    pin(LOAD_CORE)
    with tempfile.TemporaryDirectory(prefix="munjigi-stream-", dir=Path(__file__).parent / "results") as scratch:
        folder = Path(scratch)
        with Empty("aio") as empty, Worker("grpcio", folder / "grpcio") as grpcio, Worker("native", folder / "native") as native:
            found = measure(
                {EMPTY: (empty, b""), GRPCIO: (grpcio, ASKED), NATIVE: (native, ASKED)},
                options.rounds,
                options.seconds,
            )
    base = found[EMPTY].rate.median
    for name, each in found.items():
        spread_of = f"{each.rate.median:,.0f}/s ({each.rate.low:,.0f}-{each.rate.high:,.0f})"
        print(f"{name}: {spread_of}, {each.rate.median / base:.2f}x, CPU {each.cpu.median:.0f} µs")


if __name__ == "__main__":
    main()
