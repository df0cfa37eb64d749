"""A bidirectional call: each message is a request of its own, through every gate, and is answered when its record is durable.

Messages are read one by one, since gRPC gives no more at a time, and decided in rounds: what a call has sent since the last round
is decided in a row, and all calls of a round share a commit. A round waits `PATIENCE` for company, unless nothing else is under
way: who asks one question after the other never waits. An answer that the client has not taken when a grant changes is decided
again, and none is sent once the worker's lease has run out (P8). At most `IN_FLIGHT` messages are read and not yet taken by the
client: then nothing more is read, and HTTP/2's flow control holds the client back, so a client that does not read costs no memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from munjigi.kernel.errors import Unavailable
from munjigi.rpc.leased import LeasedDurability, grants_changed
from munjigi.rpc.status import Status, render

IN_FLIGHT: Final = 256
TOGETHER: Final = 64  # messages that are decided in one go: for about a millisecond nothing else is done
KEPT: Final = 65_536  # bytes of a question that are kept, to be decided again
UNREAD: Final = 4 * KEPT  # bytes of a call's questions that wait for a round: with more, nothing is read until that has come
# Seconds that a commit waits for company where calls trickle in one by one: twice the throughput of none on the grpcio
# front, at a sixth of its latency under that load.
PATIENCE: Final = 0.003

Read = Callable[[], Awaitable[object]]
Write = Callable[[bytes], Awaitable[None]]
Start = Callable[[Sequence[bytes]], Iterator[bytes]]


class _Answered(NamedTuple):
    """An answer, what it answers (empty where that is large), and by which grants it was decided."""

    payload: bytes
    answer: bytes
    grants: object


_End = Status | None  # how a call was refused; None: the client has ended it


class _Talk:
    """One call under way. `open` messages of it were read and their answers not yet taken; `over`: no more are decided."""

    __slots__ = ("_more", "_room", "_size", "end", "ended", "open", "over", "ready", "start", "unread")

    def __init__(self, start: Start) -> None:
        self.start: Final = start
        self.unread: list[bytes] = []  # by a round
        self._size = 0  # of these, in bytes
        self.ready: Final[deque[_Answered | _End]] = deque()  # to be sent
        self.open = 0
        self.ended = self.over = False
        self.end: _End = None
        self._more: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def put(self, answers: Iterable[_Answered | _End]) -> None:
        """Hand over what may be sent."""
        self.ready.extend(answers)
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    async def more(self) -> None:
        """Wait until something may be sent."""
        while not self.ready:
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        self._more = None

    def add(self, payload: bytes) -> None:
        """Note a message that was read."""
        self.open += 1
        self._size += len(payload)
        self.unread.append(payload)

    def take(self, most: int) -> list[bytes]:
        """Hand over the next messages to be decided, at most so many."""
        asked, self.unread = self.unread[:most], self.unread[most:]
        self._size -= sum(map(len, asked))
        self._make_room()
        return asked

    def sent(self) -> None:
        """Note that the client has taken an answer."""
        self.open -= 1
        self._make_room()

    def full(self) -> bool:
        """Tell whether nothing more may be read now."""
        return self.open >= IN_FLIGHT or self._size > UNREAD

    async def room(self) -> None:
        """Wait until one more message may be read."""
        while self.full():
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        self._room = None

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)


class Streams:
    """The bidirectional calls that are under way on one front. `grants` returns the grant table that decides now."""

    def __init__(self, durability: LeasedDurability, grants: Callable[[], object]) -> None:
        self._durability = durability
        self._grants = grants
        self._readers: set[asyncio.Task[None]] = set()
        self._waiting: deque[_Talk] = deque()  # those of whom something is to be decided
        self._unsettled = 0  # messages that were read and are not durably answered
        self._company = 0  # of those the ones that a round decides or, between two, has decided
        self._draining = False

    def drain(self) -> None:
        """Read no more. What was read is answered, then the calls end with `Unavailable` DRAINING."""
        self._draining = True
        for reader in self._readers:
            reader.cancel()

    async def serve(self, read: Read, write: Write, start: Start) -> Status | None:
        """Serve one call: until `read` returns something else than bytes, `start` answers messages and `write` sends the answers.

        Returns how the call was refused: what `start` raised, after the answers to everything before it;
        AUDIT_UNAVAILABLE when a record can't be made durable; DRAINING when the gateway stops. None: the client has ended it.
        """
        talk = _Talk(start)
        reader = asyncio.ensure_future(self._read(talk, read))
        self._readers.add(reader)
        reader.add_done_callback(partial(self._ended, talk))
        if self._draining:
            reader.cancel()
        try:
            return await self._write(talk, write)
        finally:
            talk.over = True
            reader.cancel()
            await asyncio.wait((reader,))

    async def _read(self, talk: _Talk, read: Read) -> None:
        """Read until there is no more, or nothing of it would be decided."""
        while isinstance(payload := await read(), bytes) and not talk.over:
            self._unsettled += 1
            if not talk.unread:
                self._wait(talk)
            talk.add(payload)
            del payload
            if talk.full():
                await talk.room()

    def _ended(self, talk: _Talk, reader: asyncio.Task[None]) -> None:
        """Note how the reading of a call ended, which comes after all that was read."""
        self._readers.discard(reader)
        if reader.cancelled():
            talk.end = render(Unavailable("DRAINING", "The gateway is stopping; ask another one or try again."))
        elif (error := reader.exception()) is not None:
            talk.end = render(error)
        talk.ended = True
        if not talk.unread:
            self._wait(talk)

    def _wait(self, talk: _Talk) -> None:
        """Have a round come for a call, if none is to come yet."""
        if not self._waiting:
            loop = asyncio.get_running_loop()
            if max(self._unsettled, self._company) > 1:
                loop.call_later(PATIENCE, self._decide)
            else:
                loop.call_soon(self._decide)
            self._company = 0
        self._waiting.append(talk)

    def _decide(self) -> None:
        """Decide what was read, at most `TOGETHER` messages in one go."""
        grants, waiting = self._grants(), self._waiting
        made: list[tuple[_Talk, list[_Answered | _End]]] = []
        decided = 0
        while waiting and decided < TOGETHER:
            talk = waiting[0]
            asked = talk.take(TOGETHER - decided)
            if not talk.unread:
                waiting.popleft()
            decided += len(asked)
            if not talk.over:
                made.append((talk, _round(talk, asked, grants)))
        if waiting:
            asyncio.get_running_loop().call_soon(self._decide)
        self._company += decided
        answers = sum(len(each) for _, each in made)
        self._durability.when_durable(partial(self._settle, made, decided), answers=answers)

    def _settle(self, made: list[tuple[_Talk, list[_Answered | _End]]], decided: int, failure: Exception | None) -> None:
        """Hand over what is durable, or why it is not."""
        self._unsettled -= decided
        refused = None if failure is None else render(failure)
        for talk, answers in made:
            talk.put(answers if refused is None else (refused,))

    async def _write(self, talk: _Talk, write: Write) -> _End:
        """Send answers until the call ends; return how it was refused, if it was."""
        ready = talk.ready
        while True:
            if not ready:
                await talk.more()
            answered = ready.popleft()
            if not isinstance(answered, _Answered):
                return answered
            try:
                answer = answered.answer
                if answered.grants is not self._grants():
                    answer = await self._again(answered, talk.start)
                refusal = self._durability.refusal()
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001  # a panic of a Rust part is no Exception
                return render(error)
            if refusal is not None:
                return render(refusal)
            await write(answer)
            talk.sent()

    async def _again(self, answered: _Answered, start: Start) -> bytes:
        """Return the answer by the grants of now. Raises what `start` raises, and `Unavailable`."""
        payload, answer, grants = answered
        while grants is not self._grants():
            if not payload:
                raise grants_changed()
            (answer,), grants = start((payload,)), self._grants()
            await self._durability.durable()
        return answer


def _round(talk: _Talk, asked: list[bytes], grants: object) -> list[_Answered | _End]:
    """Decide messages of a call in a row, up to the one that ends it."""
    answers: list[_Answered | _End] = []
    try:
        for payload, answer in zip(asked, talk.start(asked) if asked else (), strict=True):
            answers.append(_Answered(payload if len(payload) <= KEPT else b"", answer, grants))
    except BaseException as error:  # noqa: BLE001  # a panic of a Rust part is no Exception
        talk.over = True
        answers.append(render(error))  # not the error itself: it keeps the message
    else:
        if talk.ended and not talk.unread:
            talk.over = True
            answers.append(talk.end)
    return answers
