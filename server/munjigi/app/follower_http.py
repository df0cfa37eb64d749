"""The follower's HTTP: `/metrics` of every process, `/healthz`, `/readyz`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munjigi.adapters.prometheus import CONTENT_TYPE, render
from munjigi.app.config import split_address
from munjigi.app.files import StateFolder
from munjigi.app.heartbeat import Heartbeat
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.errors import ConfigurationError


def listen(address: str, setting: str = "MUNJIGI_HTTP_ADDRESS") -> socket.socket:
    """Bind the HTTP address that `setting` names.

    Raises `ConfigurationError` when it cannot be bound.
    """
    host, port = split_address(address)
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
    except OSError as error:
        raise ConfigurationError(
            "HTTP_ADDRESS_UNUSABLE",
            f"The HTTP address cannot be listened on ({error.strerror}); set {setting} to a free one.",
        ) from error
    return listener


class HttpServer(uvicorn.Server):
    """Serve HTTP without taking over signals or the daemon's logs."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the follower."""
        yield


def application(folder: StateFolder, workers: int = 1) -> Starlette:
    """Make the pages. Ready is whoever can answer: one worker that serves is enough."""
    hearts = [Heartbeat(folder.run, f"worker-{slot}") for slot in range(workers)]
    clock = SystemClock()

    async def metrics(request: Request) -> Response:
        del request
        return Response(await asyncio.to_thread(render), media_type=CONTENT_TYPE)

    async def healthz(request: Request) -> Response:
        del request
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        del request
        ready = any(each.alive(clock.now()) for each in hearts)
        return JSONResponse({"status": "ready" if ready else "not ready"}, status_code=200 if ready else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", healthz), Route("/readyz", readyz)])
