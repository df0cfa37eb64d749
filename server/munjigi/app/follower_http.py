"""The follower's pages: `/metrics` of every process, `/healthz`, `/readyz`."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munjigi.adapters.prometheus import CONTENT_TYPE, render
from munjigi.app.files import StateFolder
from munjigi.app.heartbeat import Heartbeat
from munjigi.kernel.clock import SystemClock


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
