"""The follower: reads the journals by cursor into the audit index, and renders every process's metrics.

It may die at any moment: the cursor is stored with the records it covers, so nothing is missing or doubled
afterwards, and decisions go on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.adapters.prometheus import CONTENT_TYPE, PrometheusSink, render
from munjigi.app import logs
from munjigi.app.child import EXIT_CONFIGURATION, receive_settings, send_ready, stop_on_request
from munjigi.app.config import Settings, split_address
from munjigi.app.files import StateFolder
from munjigi.app.heartbeat import Heartbeat
from munjigi.audit.follow import Epochs, follow_once
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.errors import ConfigurationError, MunjigiError
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_LOGGER: Final = logging.getLogger("munjigi.follower")
_BATCH: Final = 2000
_IDLE_SECONDS: Final = 0.05
_BEAT_SECONDS: Final = 1.0


def main() -> int:
    """Run a follower until it is asked to stop; return the exit code."""
    os.umask(0o077)
    settings = receive_settings()
    logs.set_up("follower", settings.log_level, settings.log_format)
    try:
        return asyncio.run(_run(settings))
    except ConfigurationError as error:
        sys.stderr.write(f"{error.reason}: {error.message}\n")
        return EXIT_CONFIGURATION


async def _run(settings: Settings) -> int:
    logs.watch_loop(asyncio.get_running_loop())
    stopping = asyncio.Event()
    stop_on_request(asyncio.get_running_loop(), stopping.set)
    folder = StateFolder(settings.state_dir)
    index = SqliteAuditIndex(folder.index)
    meter = Meter(PrometheusSink())
    listener = _listen(settings.http_address)
    server = _Server(_http(folder))
    try:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve([listener]))
            send_ready(http=settings.http_address)
            await _follow(folder, index, meter, stopping)
            server.should_exit = True
            await serving
    finally:
        index.close()
    return 0


async def _follow(folder: StateFolder, index: SqliteAuditIndex, meter: Meter, stopping: asyncio.Event) -> None:
    """Move records until asked to stop, and once more after that: the worker has ended by then."""
    clock = SystemClock()
    heartbeat = Heartbeat(folder.run, "follower")
    readers: dict[str, JournalReader] = {}
    seen: Epochs = {}
    beaten = 0.0
    last = False
    while not last:
        last = stopping.is_set()
        for log_id in await asyncio.to_thread(list_logs, folder.journal):
            if log_id not in readers:
                readers[log_id] = JournalReader(folder.journal / log_id)
        moved = await asyncio.to_thread(follow_once, list(readers.values()), index, _BATCH, seen)
        last = last and not moved
        if moved:
            meter.add(catalogue.INDEX_RECORDS, amount=moved)
        now = asyncio.get_running_loop().time()
        if now - beaten > _BEAT_SECONDS:
            beaten = now
            heartbeat.beat(clock.now(), True)
            meter.set(catalogue.FOLLOWER_HEARTBEAT, value=clock.now() / 1e9)
            meter.set(catalogue.INDEX_NEXT, value=sum(index.cursor(log_id) for log_id in readers))
            meter.flush()
        if not moved and not last:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _IDLE_SECONDS)


def _listen(address: str) -> socket.socket:
    """Bind the HTTP address.

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
            f"The HTTP address cannot be listened on ({error.strerror}); set MUNJIGI_HTTP_ADDRESS to a free one.",
        ) from error
    return listener


class _Server(uvicorn.Server):
    """Serve HTTP without taking over signals or the daemon's logs."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _http(folder: StateFolder) -> Starlette:
    worker = Heartbeat(folder.run, "worker")
    clock = SystemClock()

    async def metrics(request: Request) -> Response:
        del request
        return Response(await asyncio.to_thread(render), media_type=CONTENT_TYPE)

    async def healthz(request: Request) -> Response:
        del request
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        del request
        ready = worker.alive(clock.now())
        return JSONResponse({"status": "ready" if ready else "not ready"}, status_code=200 if ready else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", healthz), Route("/readyz", readyz)])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MunjigiError as failure:
        sys.stderr.write(f"{failure.reason}: {failure.message}\n")
        sys.exit(1)
