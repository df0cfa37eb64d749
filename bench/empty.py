"""The baselines: a Check that reads an empty message and answers one, on each server stack; on grpc.aio a stream of them too.

Run as `python -m bench.empty aio|native`; prints the port, stops at the end of standard input.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop
from grpc import aio
from grpc.aio import EOF
from pygrpc_native.aio import Server as NativeServer

from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import decision_service_pb2_grpc as services


class _Empty(services.DecisionServiceServicer):
    async def Check(self, request: pb.CheckRequest, context: Any) -> pb.CheckResponse:  # noqa: N802 - the RPC's name
        return pb.CheckResponse()

    async def CheckStream(self, _: Any, context: Any) -> None:  # noqa: N802 - the RPC's name
        while await context.read() is not EOF:
            await context.write(pb.CheckStreamResponse())


async def _serve(stack: str) -> None:
    server = NativeServer(io_threads=1) if stack == "native" else aio.server()
    services.add_DecisionServiceServicer_to_server(_Empty(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
