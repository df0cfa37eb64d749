"""A bidirectional call: each message is a request of its own, through every gate, and is answered when its record is durable.

What has arrived together shares a commit. An answer that the client has not taken when a grant changes is decided again, and
none is sent once the worker's lease has run out (P8). At most `IN_FLIGHT` messages are read and not yet taken by the client: then
nothing more is read, and HTTP/2's flow control holds the client back, so a client that does not read costs no memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

from munjigi.kernel.errors import Unavailable
from munjigi.rpc.leased import LeasedDurability, grants_changed
from munjigi.rpc.status import Status, render

IN_FLIGHT: Final = 256
KEPT: Final = 65_536  # bytes of a question that are kept, to be decided again
# Seconds that a commit waits for company where calls trickle in one by one: twice the throughput of none on the grpcio
# front, at a sixth of its latency under that load.
PATIENCE: Final = 0.003


class _Answered(NamedTuple):
    """An answer whose record is durable, what it answers (empty where that is large), and by which grants it was decided."""

    payload: bytes
    answer: bytes
    grants: object


class Streams:
    """The bidirectional calls that are under way on one front. `grants` returns the grant table that decides now."""

    def __init__(self, durability: LeasedDurability, grants: Callable[[], object]) -> None:
        self._durability = durability
        self._grants = grants
        self._readers: set[asyncio.Task[Status | None]] = set()
        self._draining = False

    def drain(self) -> None:
        """Read no more. What was read is answered, then the calls end with `Unavailable` DRAINING."""
        self._draining = True
        for reader in self._readers:
            reader.cancel()

    async def serve(
        self,
        read: Callable[[], Awaitable[bytes | None]],
        write: Callable[[bytes], Awaitable[None]],
        start: Callable[[bytes], bytes],
    ) -> Status | None:
        """Serve one call: until `read` returns None, `start` answers each message and `write` sends the answers.

        Returns how the call was refused: what `start` raised, after the answers to everything before it;
        AUDIT_UNAVAILABLE when a record can't be made durable; DRAINING when the gateway stops. None: the client has ended it.
        """
        room = asyncio.Semaphore(IN_FLIGHT)
        ready: asyncio.Queue[_Answered | Status | None] = asyncio.Queue()

        def settle(answer: _Answered | Status | None, failure: Exception | None) -> None:
            ready.put_nowait(answer if failure is None else render(failure))

        reader = asyncio.ensure_future(self._read(room, read, start, settle))
        writer = asyncio.ensure_future(self._write(room, ready, write, start))
        self._readers.add(reader)
        if self._draining:
            reader.cancel()
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            if not writer.done():
                # Waiters are called back in order, so this comes after every answer.
                self._durability.when_durable(partial(settle, _ending(reader)), patience=PATIENCE)
            return await writer
        finally:
            self._readers.discard(reader)
            for task in (reader, writer):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def _read(
        self,
        room: asyncio.Semaphore,
        read: Callable[[], Awaitable[bytes | None]],
        start: Callable[[bytes], bytes],
        settle: Callable[[_Answered, Exception | None], None],
    ) -> Status | None:
        while True:
            await room.acquire()
            payload = await read()
            if payload is None:
                return None
            try:
                answer = start(payload)
            except BaseException as error:  # noqa: BLE001  # a panic of a Rust part is no Exception
                return render(error)  # not the error itself: it keeps the message
            kept = payload if len(payload) <= KEPT else b""
            self._durability.when_durable(partial(settle, _Answered(kept, answer, self._grants())), patience=PATIENCE)
            del payload

    async def _write(
        self,
        room: asyncio.Semaphore,
        ready: asyncio.Queue[_Answered | Status | None],
        write: Callable[[bytes], Awaitable[None]],
        start: Callable[[bytes], bytes],
    ) -> Status | None:
        """Send answers until the call ends; return how it was refused, if it was."""
        while isinstance(answered := await ready.get(), _Answered):
            try:
                answer = await self._current(answered, start)
            except BaseException as error:  # a panic of a Rust part is no Exception
                if isinstance(error, asyncio.CancelledError):
                    raise
                return render(error)
            await write(answer)
            room.release()
        return answered

    async def _current(self, answered: _Answered, start: Callable[[bytes], bytes]) -> bytes:
        """Return the answer by the grants of now, which may be sent now. Raises what `start` raises, and `Unavailable`."""
        payload, answer, grants = answered
        while grants is not self._grants():
            if not payload:
                raise grants_changed()
            answer, grants = start(payload), self._grants()
            await self._durability.durable()
        refusal = self._durability.refusal()
        if refusal is not None:
            raise refusal
        return answer


def _ending(reader: asyncio.Task[Status | None]) -> Status | None:
    if reader.cancelled():
        return render(Unavailable("DRAINING", "The gateway is stopping; ask another one or try again."))
    return reader.result()
