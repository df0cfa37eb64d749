"""What a stranger sends is out of memory again when it was refused, on both fronts."""

from __future__ import annotations

import time

import grpc
import psutil
from e2e_asking import reason_of
from running import Daemon

MIB = 1 << 20
MANY = 24
# Of the native front's messages 30 MiB each, of grpcio's what its transport still hands on.
SIZE = {"native": 30 * MIB, "grpcio": 7 * MIB}
SLACK = 100 * MIB  # what an allocator keeps, and less than a fifth of what all messages are
METHODS = ("/munjigi.v1.DecisionService/Check", "/munjigi.v1.DecisionService/CheckStream")


def refused(channel: grpc.Channel, method: str, payload: bytes) -> tuple[grpc.StatusCode, str]:
    """Send a message without credentials and return how it was refused."""
    try:
        if method.endswith("Stream"):
            stream = channel.stream_stream(method, _registered_method=False)
            list(stream(iter([payload])))
        else:
            channel.unary_unary(method, _registered_method=False)(payload)
    except grpc.RpcError as error:
        return reason_of(error)
    raise AssertionError("it was answered")


def test_refused_messages_leave_the_memory_at_once(daemon: Daemon) -> None:
    front = daemon.environment["MUNJIGI_FRONT"]
    worker = psutil.Process(daemon.children()["worker"])
    before = worker.memory_info().rss
    for method in METHODS:
        # Streams are served by grpcio, behind the native front too.
        payload = bytes(SIZE["grpcio"] if method.endswith("Stream") else SIZE[front])
        with daemon.channel() as channel:
            for _ in range(MANY):
                assert refused(channel, method, payload) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
        deadline = time.monotonic() + 90  # a busy machine frees late
        while (grown := worker.memory_info().rss - before) > SLACK and time.monotonic() < deadline:
            time.sleep(0.1)
        assert grown <= SLACK, f"{grown / MIB:.0f} MiB stay after {MANY} messages to {method}"
