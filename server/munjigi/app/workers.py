"""The gateway workers of a daemon: the first is ready before the others start, and one that ends is started again.

The only worker is not: when it ends, everything ends, and whoever started the daemon decides. Of several, one that ends is
started again with back-off, on its slot and its journal, so that it goes on where it was; the others answer meanwhile. One
that refuses to start (exit code 78) is not tried again, since that would help nobody; when none is left, everything ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from dataclasses import replace
from typing import Any, Final

from munjigi.adapters.metrics_folder import forget
from munjigi.app.addresses import split_address
from munjigi.app.child import EXIT_CONFIGURATION, RELOADED
from munjigi.app.config import Settings, to_json
from munjigi.app.processes import Backoff, Process, first
from munjigi.kernel.errors import ConfigurationError

_LOGGER: Final = logging.getLogger("munjigi.supervisor")


def first_line(settings: Settings) -> bytes:
    """Return what a child reads first."""
    return to_json(settings) + b"\n"


class Workers:
    """All workers of one daemon. Lives on the supervisor's event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._patience = settings.drain_seconds + 10
        self._reserved = _reserve(settings)
        self._workers = [self._worker(0, settings)]

    def _worker(self, slot: int, settings: Settings) -> Process:
        name = "worker" if self._settings.workers == 1 else f"worker {slot}"
        process = Process(name, ["-m", "munjigi.app.worker", str(slot)], first_line(settings))
        process.said = lambda line: self._reload_others(process) if line.decode() == RELOADED else None
        return process

    async def begin(self, stop_asked: asyncio.Future[Any]) -> tuple[dict[str, Any], int]:
        """Start the first worker, which makes what all of them need, then the others; return what the first said, and its exit code.

        What it said is empty when it ended, or was asked to stop, before it was ready.
        """
        leader = self._workers[0]
        await leader.start()
        ended = asyncio.ensure_future(leader.wait())
        await first(leader.ready, ended, stop_asked)
        ready = leader.ready.result() if leader.ready.done() else {}
        if not ready:
            code = await leader.stop(self._patience)
            return {}, code
        ended.cancel()
        if self._settings.workers > 1:
            # The port that the first one got, where any was asked for, is that of all; and of the first one when it is started again.
            address = self._settings.grpc_address if self._settings.unix_socket else ready["grpc"]
            settings = replace(self._settings, grpc_address=address)
            leader.first_line = first_line(settings)
            self._workers += [self._worker(slot, settings) for slot in range(1, self._settings.workers)]
            for each in self._workers[1:]:
                await each.start()
            for each in self._workers[1:]:
                ended = asyncio.ensure_future(each.wait())
                await first(each.ready, ended, stop_asked)
                if ended.done() and not stop_asked.done():  # one that refuses: so does the daemon (P10)
                    await self.stop()
                    return {}, ended.result()
        return ready, 0

    async def run(self) -> int:
        """Keep the workers; return the exit code of the last one when none is left."""
        if self._settings.workers == 1:
            return await self._workers[0].wait()
        codes = await asyncio.gather(*(self._keep(slot, each) for slot, each in enumerate(self._workers)))
        return codes[-1]

    async def _keep(self, slot: int, worker: Process) -> int:
        backoff, now = Backoff(), asyncio.get_running_loop().time
        while True:
            began = now()
            code = await worker.wait()
            forget(f"worker-{slot}")
            if code == EXIT_CONFIGURATION:
                _LOGGER.error("a worker refuses to start; the others go on", extra={"slot": slot})
                return code
            delay = backoff.after(now() - began)
            _LOGGER.error("a worker ended and is started again", extra={"slot": slot, "exit_code": code, "delay_seconds": delay})
            await asyncio.sleep(delay)
            await worker.start()

    def hang_up(self) -> None:
        """Tell every worker to load the policy."""
        for each in self._workers:
            each.hang_up()

    def _reload_others(self, worker: Process) -> None:
        for each in self._workers:
            if each is not worker:
                each.hang_up()

    async def stop(self) -> int:
        """Stop all workers, at once; return the first exit code that is none of a clean stop."""
        codes = await asyncio.gather(*(each.stop(self._patience) for each in self._workers))
        for reserved in self._reserved:
            with contextlib.suppress(OSError):
                os.close(reserved)
        self._reserved = []
        return next((code for code in codes if code), 0)


def _reserve(settings: Settings) -> list[int]:
    """Make sure that the port of several workers is nobody else's: sharing it would let a stranger take part of the calls.

    The socket that is kept is bound and takes no calls; it keeps the port while a worker is started again.
    Raises `ConfigurationError` when the port is taken.
    """
    if not settings.share_ports:
        return []
    kept = []
    calls = () if settings.unix_socket else (settings.grpc_address, settings.stream_address)
    for address in (*calls, settings.scim_address, settings.oidc_logout_address):
        host, port = split_address(address) if address else ("", 0)
        if not port:
            continue
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        try:
            with socket.socket(family, kind) as alone:  # not shared: fails when anybody has it
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind(where)
            with socket.socket(family, kind) as shared:
                shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                shared.bind(where)
                kept.append(shared.detach())
        except OSError as error:
            raise ConfigurationError(
                "ADDRESS_UNUSABLE",
                f"{address} cannot be listened on ({error.strerror}); set another address (MUNJIGI_GRPC_ADDRESS and the like).",
            ) from error
    return kept
