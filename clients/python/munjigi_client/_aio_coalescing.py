"""Coalescing on an event loop; see `_coalescing`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from munjigi_client._coalescing import Credentials, Lane, closed, deliver, fail, message_of, time_for
from munjigi_client._errors import MunjigiClientError, late
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

_CROWD: Final = 1_000  # answered questions that may be kept until somebody looks
Start = Callable[[pb.CheckRequest | pb.BatchCheckRequest, Credentials, float], Awaitable[Any]]


class _Question:
    """What a task waits for."""

    __slots__ = ("deadline", "future", "request")

    def __init__(self, request: pb.CheckRequest, deadline: float, future: asyncio.Future[pb.CheckResponse]) -> None:
        self.request = request
        self.deadline = deadline
        self.future: Final = future

    @property
    def gone(self) -> bool:
        return self.future.done()

    def answer(self, response: pb.CheckResponse) -> None:
        if not self.future.done():
            self.future.set_result(response)

    def fail(self, error: MunjigiClientError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class AsyncCoalescer:
    """The asyncio client's: a task for each batch, and none while nobody waits."""

    def __init__(self, call: Callable[[pb.CheckRequest, Credentials, float], Awaitable[pb.CheckResponse]], start: Start) -> None:
        self._call = call
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[Credentials, Lane[_Question]] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # the loop keeps no hard reference
        self._late = _Deadlines(self._loop)

    async def ask(self, request: pb.CheckRequest, credentials: Credentials, timeout: float) -> pb.CheckResponse:
        """Return the answer to one question. Raises `MunjigiClientError`."""
        lane = self._lanes.get(credentials)
        if lane is None:
            lane = self._lanes[credentials] = Lane(credentials)
        if lane.enter():
            try:
                return await self._call(request, credentials, timeout)
            finally:
                self._left(lane, 1)
        question = _Question(request, time.monotonic() + timeout, self._loop.create_future())
        lane.waiting.append(question)
        self._late.watch(question)
        return await question.future

    def _left(self, lane: Lane[_Question], questions: int) -> None:
        lane.leave(questions)
        for batch in lane.take():
            task = self._loop.create_task(self._send(lane, batch), name="munjigi-checks")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if lane.idle:
            del self._lanes[lane.credentials]

    async def _send(self, lane: Lane[_Question], batch: list[_Question]) -> None:
        try:
            response = await self._start(message_of(batch), lane.credentials, time_for(batch))
        except asyncio.CancelledError:
            fail(batch, closed())
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may be left waiting
            fail(batch, error)
        else:
            deliver(batch, response)
        finally:
            # After the callers have run: what they ask next leaves in one batch, too, and not one alone before the others.
            self._loop.call_soon(self._left, lane, len(batch))


class _Deadlines:
    """One timer for all that wait, because one for each would cost more than the question."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: list[_Question] = []
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0
        self._crowd = _CROWD

    def watch(self, question: _Question) -> None:
        """Fail a question when its time is up."""
        self._watched.append(question)
        if self._timer is None or question.deadline < self._at:
            self._arm(question.deadline)
        if len(self._watched) >= self._crowd:
            self._sweep()

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._sweep()
        if self._watched:
            self._arm(min(each.deadline for each in self._watched))

    def _sweep(self) -> None:
        now = time.monotonic()
        for question in self._watched:
            if question.deadline <= now:
                question.fail(late())
        self._watched = [question for question in self._watched if not question.gone]
        self._crowd = 2 * len(self._watched) + _CROWD
