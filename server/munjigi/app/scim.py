"""SCIM in the worker: what the identity provider says goes through the registrar, like every other change of people."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final

from munjigi.adapters.scim.directory import SOURCE, Directory
from munjigi.adapters.scim.http import application
from munjigi.adapters.secrets import read_secret
from munjigi.app.config import Settings
from munjigi.app.gateway import Gateway
from munjigi.app.http import HttpServer, listen
from munjigi.grants.book import Book, Holdings, Plan
from munjigi.kernel.errors import ConfigurationError
from munjigi.kernel.identity import EmployeeKey

VARIABLE: Final = "MUNJIGI_SCIM_TOKEN"
_SHORTEST: Final = 32  # characters of a token
_ACTOR: Final = EmployeeKey("", f"munjigi.{SOURCE}")


def token_of(settings: Settings) -> str:
    """Return the bearer token. Raises `ConfigurationError` when there is none, or one that can be guessed."""
    path = settings.scim_token_file
    text = read_secret(path).decode("utf-8", "replace") if path is not None else os.environ.get(VARIABLE, "")
    token = text.strip()
    if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            "SCIM_TOKEN_UNUSABLE",
            f"Refusing to start: scim_address is set, and there is no token of at least {_SHORTEST} characters; put one "
            f"(`openssl rand -hex 32`) into the file that MUNJIGI_SCIM_TOKEN_FILE names, mode 0600, or into {VARIABLE}.",
        )
    return token


class _People:
    """Implements `adapters.scim.ports.Registry`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def newest(self) -> Holdings:
        # Not the snapshot: a worker whose lease has run out is waited for no longer, and may be behind what another one has answered.
        return await self._gateway.registrar.newest()

    async def change(self, plan: Callable[[Book], Plan], *, urgent: bool) -> bytes:
        gateway = self._gateway
        gateway.room.require_urgent() if urgent else gateway.room.require()
        changed = await gateway.registrar.change(_ACTOR, "", b"", plan)
        await gateway.lease.wait_applied(changed.grant_revision)
        return changed.answer


class _Door:
    """Implements `adapters.scim.ports.Doorkeeper`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def refused(self, address: str, reason: str) -> None:
        gateway = self._gateway
        for record in gateway.failures.note(address, reason, gateway.clock.now()):
            gateway.journal.append(record)
        await gateway.committer.durable()

    def answered(self, reason: str, seconds: float) -> None:
        self._gateway.meter.call("SCIM", reason, seconds)


class Scim:
    """The listener, bound at once, and its server."""

    def __init__(self, gateway: Gateway) -> None:
        """Bind. Raises `ConfigurationError` for an address or token that can't be used."""
        settings = gateway.settings
        directory = Directory(_People(gateway), settings.issuer, settings.scim_account)
        self._server = HttpServer(application(directory, token_of(settings), _Door(gateway)))
        self._listener: socket.socket = listen(settings.scim_address, "MUNJIGI_SCIM_ADDRESS", reuse_port=settings.share_ports)

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping`."""
        serving = asyncio.ensure_future(self._server.serve([self._listener]))
        asked = asyncio.ensure_future(stopping.wait())
        await asyncio.wait((serving, asked), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        self._server.should_exit = True
        await serving
