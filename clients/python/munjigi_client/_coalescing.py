"""Let checks that are asked at the same time share one BatchCheck, and so one durable commit.

There is no timer. While fewer than `IN_FLIGHT` calls with the same credentials are under way, a question goes out at once,
as a Check. Those that come meanwhile wait, and leave together as soon as one of the calls returns. Nothing is kept: each
question is sent, decided and recorded by itself, equal ones too. Only questions whose credentials and trace context are
equal share a batch, because a batch has one set of them.

`Lane` is the bookkeeping, without threads or calls, that the sync and the asyncio client share.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import grpc

from munjigi_client._answers import results_of
from munjigi_client._calls import WrittenBatch, WrittenCheck, write_batch
from munjigi_client._errors import MunjigiClientError, Unavailable, from_rpc, late

IN_FLIGHT: Final = 2  # calls of a lane: the gateway decides one batch while the tool reads the other
ITEMS: Final = 1_000  # of a batch: the contract's limit
BYTES: Final = 1 << 20  # of a batch, by its questions' `weight`
_FEW: Final = 16  # fewer questions than this are not worth two batches


class Credentials(NamedTuple):
    """What a call is sent with: employee's token, tool's token, W3C trace context; empty texts for none."""

    employee: str
    tool: str
    context: str


class Answer(Protocol):
    """What somebody waits on, as an `asyncio.Future` is: `done` says that nobody waits any more."""

    def done(self) -> bool: ...

    def set_result(self, result: bytes, /) -> None: ...

    def set_exception(self, exception: MunjigiClientError, /) -> None: ...


A = TypeVar("A", bound=Answer)
Waiter = tuple[WrittenCheck, float, A]  # a question, the monotonic second until when its answer is of use, what waits for that


class Lane(Generic[A]):
    """The questions of one set of credentials. Not thread-safe."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials: Final = credentials
        self.waiting: deque[Waiter[A]] = deque()
        self._calls = 0
        self._asked = 0  # questions in these calls

    @property
    def idle(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        return not self._calls and not self.waiting

    def enter(self) -> bool:
        """Start a call for one question, if none has to wait for it."""
        if self._calls >= IN_FLIGHT or self.waiting:
            return False
        self._calls += 1
        self._asked += 1
        return True

    def take(self) -> Iterator[list[Waiter[A]]]:
        """Start as many calls as may be under way; yield the questions of each."""
        while self._calls < IN_FLIGHT and (batch := self._batch()):
            self._calls += 1
            self._asked += len(batch)
            yield batch

    def leave(self, questions: int) -> None:
        """End a call."""
        self._calls -= 1
        self._asked -= questions

    def _batch(self) -> list[Waiter[A]]:
        # At most half of what is unanswered: else all would end up in one batch, and a single one in the other.
        half = -(-(len(self.waiting) + self._asked) // IN_FLIGHT)
        most = min(ITEMS, max(_FEW, half))
        batch: list[Waiter[A]] = []
        waiting = self.waiting
        size = 0
        while waiting and len(batch) < most:
            waiter = waiting[0]
            request, _, answer = waiter
            if not answer.done():
                size += request.weight
                if batch and size > BYTES:
                    break
                batch.append(waiter)
            waiting.popleft()
        return batch


def message_of(batch: Sequence[Waiter[A]]) -> WrittenCheck | WrittenBatch:
    """Return what to send: one question goes as a Check."""
    return batch[0][0] if len(batch) == 1 else write_batch([request for request, _, _ in batch])


def time_for(batch: Sequence[Waiter[A]]) -> float:
    """Return how long the most patient caller waits still. Seconds."""
    return max(0.0, max([deadline for _, deadline, _ in batch]) - time.monotonic())


def deliver(batch: Sequence[Waiter[A]], response: bytes) -> None:
    """Give every caller its own answer or error."""
    try:
        results = results_of(response) if len(batch) > 1 else [response]
    except MunjigiClientError as error:
        fail(batch, error)
        return
    if len(results) != len(batch):  # then nobody can tell whose answer is whose
        fail(batch, Unavailable("ANSWER_INCOMPLETE", "The answer does not have one result for each question; ask again."))
        return
    for (_, _, answer), result in zip(batch, results, strict=True):
        if answer.done():
            continue
        if isinstance(result, bytes):
            answer.set_result(result)
        else:
            answer.set_exception(result)


def fail(batch: Sequence[Waiter[A]], error: Exception) -> None:
    """Give every caller the error that the call ended with."""
    for _, _, answer in batch:
        if not answer.done():
            answer.set_exception(_failure(error))


def _failure(error: Exception) -> MunjigiClientError:
    if isinstance(error, MunjigiClientError):
        return error
    failure = from_rpc(error) if isinstance(error, grpc.RpcError) else closed()
    failure.__cause__ = error
    return failure


def closed() -> MunjigiClientError:
    """Say that the client was closed while a question was under way."""
    return Unavailable("CANCELLED", "The client was closed before the answer came; there is no access.")


class _Awaited:
    """What a thread waits on."""

    def __init__(self) -> None:
        self._gone = False
        self._result: bytes | MunjigiClientError | None = None
        self._answered = threading.Lock()  # much cheaper than an Event
        self._answered.acquire()

    def done(self) -> bool:
        return self._gone

    def set_result(self, result: bytes | MunjigiClientError, /) -> None:
        self._result = result
        self._answered.release()

    set_exception = set_result

    def wait(self, timeout: float) -> bytes:
        """Return the answer. Raises what the call ended with, or `Unavailable` when it is late."""
        try:
            in_time = self._answered.acquire(timeout=min(max(0.0, timeout), threading.TIMEOUT_MAX))
        finally:
            self._gone = True
        if isinstance(self._result, MunjigiClientError):
            raise self._result
        if not in_time or self._result is None:
            raise late()
        return self._result


class Coalescer:
    """The sync client's: whoever frees a place sends for those who wait; the answers come in on gRPC's own thread."""

    def __init__(
        self,
        call: Callable[[WrittenCheck, Credentials, float], bytes],
        start: Callable[[WrittenCheck | WrittenBatch, Credentials, float], Any],
    ) -> None:
        self._call = call
        self._start = start
        self._lock = threading.Lock()
        self._lanes: dict[Credentials, Lane[_Awaited]] = {}

    def ask(self, request: WrittenCheck, credentials: Credentials, timeout: float) -> bytes:
        """Return the answer to one question. Raises `MunjigiClientError`."""
        waiting = None
        with self._lock:
            lane = self._lanes.get(credentials)
            if lane is None:
                lane = self._lanes[credentials] = Lane(credentials)
            if not lane.enter():
                waiting = _Awaited()
                lane.waiting.append((request, time.monotonic() + timeout, waiting))
        if waiting is not None:
            return waiting.wait(timeout)
        try:
            return self._call(request, credentials, timeout)
        finally:
            self._left(lane, 1)

    def _left(self, lane: Lane[_Awaited], questions: int) -> None:
        with self._lock:
            lane.leave(questions)
            batches = list(lane.take())
            if lane.idle:
                del self._lanes[lane.credentials]
        for batch in batches:
            self._send(lane, batch)

    def _send(self, lane: Lane[_Awaited], batch: list[Waiter[_Awaited]]) -> None:
        try:
            calling = self._start(message_of(batch), lane.credentials, time_for(batch))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may be left waiting
            fail(batch, error)
            self._left(lane, len(batch))
        else:
            calling.add_done_callback(lambda done: self._arrived(lane, batch, done))

    def _arrived(self, lane: Lane[_Awaited], batch: list[Waiter[_Awaited]], done: Any) -> None:
        try:
            response = done.result()
        except Exception as error:  # noqa: BLE001 - same
            fail(batch, error)
        else:
            deliver(batch, response)
        finally:
            self._left(lane, len(batch))
