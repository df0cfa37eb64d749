"""A bidirectional call: each message is a request of its own, through every gate, and is answered when its record is durable.

What has arrived together shares a commit. At most `IN_FLIGHT` messages are read and not yet taken by the client: then
nothing more is read, and HTTP/2's flow control holds the client back, so a client that does not read costs no memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from munjigi.kernel.errors import Unavailable
from munjigi.rpc.ports import Durability
from munjigi.rpc.status import Outcome, Status, render

IN_FLIGHT: Final = 256
# Seconds that a commit waits for company where calls trickle in one by one: twice the throughput of none on the grpcio
# front, at a sixth of its latency under that load.
PATIENCE: Final = 0.003


class Streams:
    """The bidirectional calls that are under way on one front."""

    def __init__(self, durability: Durability) -> None:
        self._durability = durability
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
        ready: asyncio.Queue[Outcome | None] = asyncio.Queue()

        def settle(answer: Outcome | None, failure: Exception | None) -> None:
            ready.put_nowait(answer if failure is None else render(failure))

        reader = asyncio.ensure_future(self._read(room, read, start, settle))
        writer = asyncio.ensure_future(_write(room, ready, write))
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
        settle: Callable[[bytes, Exception | None], None],
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
            self._durability.when_durable(partial(settle, answer), patience=PATIENCE)


def _ending(reader: asyncio.Task[Status | None]) -> Status | None:
    if reader.cancelled():
        return render(Unavailable("DRAINING", "The gateway is stopping; ask another one or try again."))
    return reader.result()


async def _write(
    room: asyncio.Semaphore, ready: asyncio.Queue[Outcome | None], write: Callable[[bytes], Awaitable[None]]
) -> Status | None:
    """Send answers until the call ends; return how it was refused, if it was."""
    while isinstance(answer := await ready.get(), bytes):
        await write(answer)
        room.release()
    return answer
