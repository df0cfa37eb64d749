"""The standard health service watches, on both fronts, without credentials."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import grpc
import pytest
from e2e_asking import reason_of
from grpc_health.v1 import health_pb2, health_pb2_grpc
from running import Daemon, serving

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def watch(channel: grpc.Channel, name: str, **options: float) -> grpc.CallIterator[health_pb2.HealthCheckResponse]:
    return health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=name), **options)


@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_a_watch_tells_each_change_and_ends_with_the_gateway(tmp_path: Path, front: str) -> None:
    with serving(tmp_path / "var", MUNJIGI_FRONT=front) as daemon, daemon.channel() as channel:
        follower = watch(channel, "follower", timeout=60)
        states = [next(follower).status]
        if states[-1] == NOT_SERVING:  # it had not shown itself yet
            states.append(next(follower).status)
        assert states[-1] == SERVING
        os.kill(daemon.children()["follower"], signal.SIGSTOP)  # no sign of life any more
        assert next(follower).status == NOT_SERVING
        os.kill(daemon.children()["follower"], signal.SIGCONT)
        assert next(follower).status == SERVING
        gateway = watch(channel, "", timeout=60)
        assert next(gateway).status == SERVING
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 8  # nobody who only watches is waited for: drain_seconds are 10
        assert next(gateway).status == NOT_SERVING
        with pytest.raises(grpc.RpcError) as ended:
            next(gateway)
        assert reason_of(ended.value) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")


def test_a_watch_of_what_does_not_exist_says_so_and_waits(daemon: Daemon) -> None:
    with daemon.channel() as channel:
        nothing = watch(channel, "nothing", timeout=3)
        assert next(nothing).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        with pytest.raises(grpc.RpcError) as ended:
            next(nothing)
        assert ended.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_watches_are_bounded_in_number_and_size(daemon: Daemon) -> None:
    with daemon.channel() as channel:
        with pytest.raises(grpc.RpcError) as refused:
            next(watch(channel, "x" * 2000, timeout=10))
        assert reason_of(refused.value) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
        watches = [watch(channel, "", timeout=60) for _ in range(256)]
        assert {next(each).status for each in watches} == {SERVING}
        with pytest.raises(grpc.RpcError) as refused:
            next(watch(channel, "", timeout=10))
        assert reason_of(refused.value) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCHES_BUSY")
        for each in watches:
            each.cancel()
        deadline = time.monotonic() + 10
        while True:
            try:
                assert next(watch(channel, "", timeout=10)).status == SERVING
                return
            except grpc.RpcError:
                assert time.monotonic() < deadline
