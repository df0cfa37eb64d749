"""The native front: HTTP/2 in Rust outside the GIL, calls arrive in batches, one commit for many answers.

A thread takes batches from Rust and hands each to the event loop. What the loop's turn handles is
appended to the journal, made durable by one sync, and answered; what arrives meanwhile is the next batch.
No TLS: the front listens on loopback, or on a Unix socket in a 0700 folder behind a proxy.

An error becomes a status where it is caught: kept, it would keep the frames that it went through, and with them a
stranger's message of any size.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from pygrpc_native import EVENT_CALL, NativeGrpcFront

from munjigi.kernel.errors import ConfigurationError, Unavailable
from munjigi.rpc.authentication import ListenerTrust
from munjigi.rpc.call import Method
from munjigi.rpc.credentials import credentials_of
from munjigi.rpc.leased import LeasedDurability
from munjigi.rpc.pipeline import Pipeline
from munjigi.rpc.status import DETAILS_KEY, Outcome, render

_BATCH: Final = 256


class NativeFront:
    """Serve methods on one plaintext listener."""

    def __init__(
        self,
        address: str,
        methods: Sequence[Method],
        pipeline: Pipeline,
        durability: LeasedDurability,
        listener: ListenerTrust,
        *,
        reuse_port: bool = False,
    ) -> None:
        self._methods = methods
        self._pipeline = pipeline
        self._durability = durability
        self._listener = listener
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._unanswered = 0
        self._draining = False
        try:
            self._front = NativeGrpcFront(
                address,
                [(method.path, False) for method in methods],
                io_threads=1,
                call_details=True,
                keepalive_time_ms=60_000,
                keepalive_permit_without_calls=True,
                reuse_port=reuse_port,
            )
        except OSError as error:
            raise ConfigurationError(
                "ADDRESS_UNUSABLE",
                f"The gRPC address cannot be listened on ({error.strerror or error}); set MUNJIGI_GRPC_ADDRESS to a free one.",
            ) from error
        self._thread = threading.Thread(target=self._receive, name="front", daemon=True)

    @property
    def port(self) -> int:
        """The TCP port that was bound; 0 for a Unix socket."""
        return self._front.bound_port

    def set_fallback(self, socket_path: str) -> None:
        """Send methods that are not ours (reflection, streams) to a grpcio server on a Unix socket."""
        self._front.set_fallback(socket_path)

    async def start(self) -> None:
        """Accept calls. `ended` is done when no more of them arrive, asked for or not."""
        self._loop = asyncio.get_running_loop()
        self.ended = self._loop.create_future()
        self._front.start()
        self._thread.start()

    async def stop(self, grace: float) -> None:
        """Refuse new calls, let those under way be answered for `grace` seconds, close."""
        self._draining = True
        deadline = self._loop.time() + grace
        while (self._tasks or self._unanswered) and self._loop.time() < deadline:  # noqa: ASYNC110  # ends once in a life
            await asyncio.sleep(0.01)
        for task in list(self._tasks.values()):
            task.cancel()
        # Rust sends what was answered before it closes.
        await asyncio.sleep(0.05)
        await asyncio.to_thread(self._front.close)
        self._thread.join(timeout=5.0)

    def _receive(self) -> None:
        front, loop = self._front, self._loop
        with suppress(RuntimeError):  # the loop is closed
            try:
                while (events := front.recv_batch_details(_BATCH)) is not None:
                    loop.call_soon_threadsafe(self._handle, events)
                    del events  # not kept until the next batch comes
            finally:
                loop.call_soon_threadsafe(self.ended.set_result, None)

    def _handle(self, events: list[Any]) -> None:
        ready: list[tuple[int, Outcome]] = []
        open_to_all: list[tuple[int, Outcome]] = []
        start, methods, listener = self._pipeline.start, self._methods, self._listener
        for kind, call_id, method_id, payload, _, details in events:
            if kind != EVENT_CALL:
                if (task := self._tasks.get(call_id)) is not None:
                    task.cancel()
                continue
            if self._draining:
                self._send(call_id, render(Unavailable("DRAINING", "The gateway is stopping; ask another one or try again.")))
                continue
            method = methods[method_id]
            done = open_to_all if method.open else ready
            try:
                metadata, peer, _remaining = details
                answer = start(method, payload, credentials_of(metadata, peer, None, listener))
            except BaseException as error:  # noqa: BLE001  # a panic of a Rust part is no Exception; neighbours go on
                done.append((call_id, render(error)))
                continue
            if isinstance(answer, bytes):
                done.append((call_id, answer))
            else:
                self._tasks[call_id] = self._loop.create_task(self._wait(call_id, answer, method))
        if ready:
            self._unanswered += len(ready)
            self._durability.when_durable(partial(self._answer, ready), answers=len(ready))
        if open_to_all:
            self._unanswered += len(open_to_all)
            self._durability.plain.when_durable(partial(self._answer, open_to_all))

    def _answer(self, ready: list[tuple[int, Outcome]], failure: Exception | None) -> None:
        """Send answers whose records are durable, or why they may not leave."""
        self._unanswered -= len(ready)
        status = render(failure) if failure is not None else None
        for call_id, answer in ready:
            self._send(call_id, status or answer)

    async def _wait(self, call_id: int, answer: Awaitable[bytes], method: Method) -> None:
        result: Outcome
        try:
            try:
                result = await answer
            except Exception as error:  # noqa: BLE001  # rendered as a status
                result = render(error)
            await (self._durability.plain if method.open else self._durability).durable()
        except asyncio.CancelledError:
            return
        except BaseException as error:  # noqa: BLE001  # Unavailable, or see _handle
            result = render(error)
        finally:
            self._tasks.pop(call_id, None)
        self._send(call_id, result)

    def _send(self, call_id: int, answer: Outcome) -> None:
        if isinstance(answer, bytes):
            self._front.respond(call_id, answer)
            return
        self._front.fail(call_id, answer.code, answer.message, trailing_metadata=[(DETAILS_KEY, answer.details)])
