"""The native front answers every call once, whatever a handler does, and says when it has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from munjigi.app.files import StateFolder
from munjigi.rpc.call import Call, Method

pytest.importorskip("pygrpc_native")
ROOT = Path(__file__).resolve().parents[2]
SECRET = "010-1234-5678"


class Panic(BaseException):
    """What PyO3 raises when Rust panics: no Exception."""


def panics(call: Call, request: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
    raise Panic(SECRET)


async def panics_later(call: Call, request: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
    await asyncio.sleep(0)
    raise Panic(SECRET)


def answers(call: Call, request: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
    return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    monkeypatch.setitem(os.environ, "PROMETHEUS_MULTIPROC_DIR", str(folder.metrics))
    return folder.root


@asynccontextmanager
async def front(state: Path) -> AsyncIterator[tuple[object, grpc.aio.Channel]]:
    from munjigi.app.bootstrap import open_gateway
    from munjigi.app.config import load_settings
    from munjigi.rpc.front_native import NativeFront

    gateway = open_gateway(load_settings({"state_dir": state, "policy_home": ROOT / "policies", "sample": False}), pytest.fail)
    methods = [
        Method("t.T", name, health_pb2.HealthCheckRequest, handler, open=True)
        for name, handler in (("Panics", panics), ("Later", panics_later), ("Answers", answers))
    ]
    native = NativeFront("127.0.0.1:0", methods, gateway.pipeline, gateway.sending, gateway.trust)
    await native.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{native.port}") as channel:
            yield native, channel
    finally:
        await native.stop(0)
        await gateway.committer.close()
        gateway.journal.close()
        gateway.index.close()
        gateway.store.close()


def test_a_handler_that_panics_costs_only_its_own_call(state: Path) -> None:
    async def run() -> None:
        async with front(state) as (_, channel):
            calls = [
                channel.unary_unary(f"/t.T/{name}")(b"", timeout=10) for name in ("Panics", "Answers", "Later", "Answers") * 5
            ]
            results = await asyncio.gather(*calls, return_exceptions=True)
        for number, result in enumerate(results):
            if number % 2:
                assert health_pb2.HealthCheckResponse.FromString(result).status == health_pb2.HealthCheckResponse.SERVING
            else:
                assert isinstance(result, grpc.aio.AioRpcError)
                assert result.code() is grpc.StatusCode.INTERNAL
                assert SECRET not in str(result)

    asyncio.run(run())


def test_a_front_that_ends_unasked_says_so(state: Path) -> None:
    async def run() -> None:
        async with front(state) as (native, _):
            assert not native.ended.done()
            native._front.close()  # as if the Rust part had died
            await asyncio.wait_for(native.ended, 10)

    asyncio.run(run())
