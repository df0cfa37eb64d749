"""`/oidc/backchannel-logout`: a session that the provider has ended has ended on every worker before the provider is told so (P8).

OpenID Connect Back-Channel Logout 1.0 section 2.5. It lives in the worker, because that is who changes the grant table and who can
wait until a change is true everywhere; the follower may be away. Whoever reaches the address may try: nothing is believed
but the provider's signature, a few at a time, and failures are recorded like those of a sign-in.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munjigi.adapters.identity.jwks import UrlKeys
from munjigi.adapters.identity.logout import Logout, LogoutVerifier
from munjigi.app.gateway import Gateway
from munjigi.app.http import HttpServer, listen
from munjigi.grants.book import Book, Plan
from munjigi.grants.changes import SessionEdit
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import MunjigiError, Unauthenticated, Unavailable
from munjigi.kernel.identity import EmployeeKey
from munjigi.monitoring import catalogue
from munjigi.rpc.ports import Registrar, SnapshotSource

PATH: Final = "/oidc/backchannel-logout"
BY: Final = EmployeeKey("", "munjigi.sign-out")
REASON: Final = "back-channel logout"
_MAX_BYTES: Final = 16 * 1024
_AT_ONCE: Final = 8
_LOGGER: Final = logging.getLogger("munjigi.worker")


class SignOut(NamedTuple):
    """What an end of a session needs of the worker.

    `urgent` makes room on a full disk; `applied` waits until a grant revision is true everywhere; `refused` takes the
    address and reason of a failure.
    """

    verifier: LogoutVerifier
    join_keys: Callable[[float], None]
    snapshots: SnapshotSource
    registrar: Registrar
    urgent: Callable[[], None]
    applied: Callable[[int], Awaitable[object]]
    refused: Callable[[str, str], None]
    clock: Clock


async def run(gateway: Gateway) -> None:
    """Serve the page until this task is cancelled.

    Raises `ConfigurationError` when the address can't be listened on.
    """

    def refused(address: str, reason: str) -> None:
        for record in gateway.failures.note(address, reason, gateway.clock.now()):
            gateway.journal.append(record)
            gateway.meter.add(catalogue.SIGN_IN_FAILURES, record.reason)

    settings, keys = gateway.settings, gateway.keys
    worker = SignOut(
        LogoutVerifier(keys, settings.oidc_issuer),
        keys.join if isinstance(keys, UrlKeys) else _nothing_to_wait_for,
        gateway.home,
        gateway.registrar,
        gateway.room.require_urgent,
        gateway.lease.wait_applied,
        refused,
        gateway.clock,
    )
    server = HttpServer(application(worker))
    listener = listen(settings.oidc_logout_address, "MUNJIGI_OIDC_LOGOUT_ADDRESS", reuse_port=settings.share_ports)
    try:
        await server.serve([listener])
    finally:
        listener.close()


def _nothing_to_wait_for(seconds: float) -> None:
    del seconds


def application(worker: SignOut) -> Starlette:
    """Make the page."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def logout(request: Request) -> Response:
        async with room:
            return await _logout(worker, request)

    return Starlette(routes=[Route(PATH, logout, methods=["POST"])])


async def _logout(worker: SignOut, request: Request) -> Response:
    address = request.client.host if request.client is not None else "local"
    try:
        found = await _verified(worker, await _token(request))
        body = f"{found.token_id}\x00{found.end}".encode()
        token_id = hashlib.sha256(found.token_id.encode()).hexdigest()[:32]
        worker.urgent()
        changed = await worker.registrar.change(BY, token_id, body, partial(_plan, found))
        await worker.applied(changed.grant_revision)
    except Unavailable as error:
        _LOGGER.warning("a session could not be ended", extra={"reason": error.reason})
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, error)
    except MunjigiError as error:
        worker.refused(address, error.reason)
        return _answer(HTTPStatus.BAD_REQUEST, error)
    worker.verifier.accepted(found.token_id)
    return Response(status_code=HTTPStatus.OK, headers={"Cache-Control": "no-store"})


async def _verified(worker: SignOut, token: str) -> Logout:
    """Verify a token. One whose key is new waits for the key set, once."""
    tools = worker.snapshots.snapshot.bundle.tools.values()
    clients = frozenset(name for tool in tools for name in (tool.name, *tool.sign_in_clients))
    try:
        return worker.verifier.verify(token, clients, worker.clock.now())
    except Unauthenticated as error:
        if error.reason != "KEY_UNKNOWN":
            raise
    await asyncio.to_thread(worker.join_keys, 10.0)
    return worker.verifier.verify(token, clients, worker.clock.now())


async def _token(request: Request) -> str:
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > _MAX_BYTES:
            raise Unauthenticated("LOGOUT_TOKEN_INVALID", "The request is too large.")
    tokens = parse_qs(content.decode("ascii", "replace")).get("logout_token", [])
    if len(tokens) != 1:
        raise Unauthenticated("LOGOUT_TOKEN_INVALID", "Send one `logout_token` as a form.")
    return tokens[0]


def _plan(found: Logout, book: Book) -> Plan:
    del book
    return Plan((SessionEdit("session_ended", found.end, REASON),), b"")


def _answer(status: HTTPStatus, error: MunjigiError) -> Response:
    content = {"error": "invalid_request", "error_description": error.message}
    return JSONResponse(content, status, headers={"Cache-Control": "no-store"})
