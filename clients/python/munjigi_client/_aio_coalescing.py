"""Coalescing on an event loop; see `_coalescing`."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from munjigi_client._calls import WrittenBatch, WrittenCheck
from munjigi_client._coalescing import Credentials, Lane, Waiter, closed, deliver, fail, message_of, time_for
from munjigi_client._errors import late

Start = Callable[[WrittenCheck | WrittenBatch, Credentials, float], Awaitable[Any]]
_Future = asyncio.Future[bytes]
_Waiter = Waiter[_Future]


class AsyncCoalescer:
    """The asyncio client's: a task for each batch, and none while nobody waits."""

    def __init__(self, call: Callable[[WrittenCheck, Credentials, float], Awaitable[bytes]], start: Start) -> None:
        self._call = call
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[Credentials, Lane[_Future]] = {}
        self._sent: dict[asyncio.Task[None], list[_Waiter]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0  # monotonic seconds

    def ask(self, request: WrittenCheck, credentials: Credentials, timeout: float) -> Awaitable[bytes]:
        """Ask one question, whose answer is to be awaited. That raises `MunjigiClientError`."""
        lane = self._lanes.get(credentials)
        if lane is None:
            lane = self._lanes[credentials] = Lane(credentials)
        if lane.enter():
            return self._alone(lane, request, timeout)
        deadline = time.monotonic() + timeout
        waiting: _Future = asyncio.Future(loop=self._loop)
        lane.waiting.append((request, deadline, waiting))
        if self._timer is None or deadline < self._rings_at:
            self._arm(deadline)
        return waiting

    def _arm(self, at: float) -> None:
        """Have one timer for all that wait, because one for each would cost more than the question."""
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._ring)

    def _ring(self) -> None:
        """Fail the questions whose time is up."""
        self._timer = None
        now, soonest = time.monotonic(), math.inf
        for questions in (*(lane.waiting for lane in self._lanes.values()), *self._sent.values()):
            for _, deadline, waiting in questions:
                if waiting.done():
                    continue
                if deadline <= now:
                    waiting.set_exception(late())
                else:
                    soonest = min(soonest, deadline)
        if soonest < math.inf:
            self._arm(soonest)

    async def _alone(self, lane: Lane[_Future], request: WrittenCheck, timeout: float) -> bytes:
        try:
            return await self._call(request, lane.credentials, timeout)
        finally:
            self._left(lane, 1)

    def _left(self, lane: Lane[_Future], questions: int) -> None:
        lane.leave(questions)
        for batch in lane.take():
            task = self._loop.create_task(self._send(lane, batch), name="munjigi-checks")
            self._sent[task] = batch
            task.add_done_callback(self._sent.pop)
        if lane.idle:
            del self._lanes[lane.credentials]

    async def _send(self, lane: Lane[_Future], batch: list[_Waiter]) -> None:
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
