"""The follower's pages: `/metrics` of every process, `/healthz`, `/readyz`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from munjigi.adapters.metrics_page import render
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.heartbeat import Heartbeat
from munjigi.kernel.clock import SystemClock
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_REFUSED = (
    "/metrics is not for this address. Name its network in MUNJIGI_METRICS_NETWORKS (docs/operations.md, Metrics), "
    "or scrape from the daemon's own machine.\n"
)


def application(folder: StateFolder, settings: Settings, meter: Meter, *, synthetic: bool = False) -> Starlette:
    """Make the pages. Ready is whoever can answer: one worker that serves is enough.

    `synthetic`: every page says that people and records are made up.
    """
    said = {"synthetic": True} if synthetic else {}
    hearts = [Heartbeat(folder.run, f"worker-{slot}") for slot in range(settings.workers)]
    clock = SystemClock()

    async def metrics(request: Request) -> Response:
        if not may_read(request.client.host if request.client is not None else "", settings.metrics_networks):
            return PlainTextResponse(_REFUSED, HTTPStatus.FORBIDDEN)
        page = await asyncio.to_thread(render, request.headers.get("accept", ""))
        meter.set(catalogue.SCRAPE_SECONDS, value=page.seconds)
        meter.set(catalogue.SERIES, value=page.series)
        return Response(page.content, media_type=page.content_type)

    async def healthz(request: Request) -> Response:
        del request
        return JSONResponse({"status": "alive", **said})

    async def readyz(request: Request) -> Response:
        del request
        ready = any(each.alive(clock.now()) for each in hearts)
        return JSONResponse({"status": "ready" if ready else "not ready", **said}, status_code=200 if ready else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", healthz), Route("/readyz", readyz)])


def may_read(peer: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Tell whether whoever connects from `peer` may read metrics: this machine, and the networks. No header is asked."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or any(address in network for network in networks)
