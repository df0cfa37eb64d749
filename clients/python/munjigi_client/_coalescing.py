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

from munjigi_client._calls import item_error
from munjigi_client._errors import MunjigiClientError, Unavailable, from_rpc, late
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

IN_FLIGHT: Final = 2  # calls of a lane: the gateway decides one batch while the tool reads the other
ITEMS: Final = 1_000  # of a batch: the contract's limit
BYTES: Final = 1 << 20  # of a batch, by `weight`
_FEW: Final = 16  # fewer questions than this are not worth two batches
_FIELD: Final = 64  # bytes that a field adds to a weight, for its share of the answer


class Credentials(NamedTuple):
    """What a call is sent with: employee's token, tool's token, W3C trace context; empty texts for none."""

    employee: str
    tool: str
    context: str


class Waiter(Protocol):
    """A question that waits. `gone` says that nobody waits for its answer any more; deadlines are monotonic seconds."""

    request: pb.CheckRequest
    deadline: float

    @property
    def gone(self) -> bool: ...

    def answer(self, response: pb.CheckResponse) -> None: ...

    def fail(self, error: MunjigiClientError) -> None: ...


W = TypeVar("W", bound=Waiter)


class Lane(Generic[W]):
    """The questions of one set of credentials. Not thread-safe."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials: Final = credentials
        self.waiting: deque[W] = deque()
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

    def take(self) -> Iterator[list[W]]:
        """Start as many calls as may be under way; yield the questions of each."""
        while self._calls < IN_FLIGHT and (batch := self._batch()):
            self._calls += 1
            self._asked += len(batch)
            yield batch

    def leave(self, questions: int) -> None:
        """End a call."""
        self._calls -= 1
        self._asked -= questions

    def _batch(self) -> list[W]:
        # At most half of what is unanswered: else all would end up in one batch, and a single one in the other.
        half = -(-(len(self.waiting) + self._asked) // IN_FLIGHT)
        most = min(ITEMS, max(_FEW, half))
        batch: list[W] = []
        size = 0
        while self.waiting and len(batch) < most:
            waiter = self.waiting[0]
            if not waiter.gone:
                size += weight(waiter.request)
                if batch and size > BYTES:
                    break
                batch.append(waiter)
            self.waiting.popleft()
        return batch


def weight(request: pb.CheckRequest) -> int:
    """Return about how many bytes a question and its answer take in a batch."""
    return request.ByteSize() + _FIELD * (1 + len(request.fields))


def message_of(batch: Sequence[Waiter]) -> pb.CheckRequest | pb.BatchCheckRequest:
    """Return what to send: one question goes as a Check."""
    return batch[0].request if len(batch) == 1 else pb.BatchCheckRequest(items=[each.request for each in batch])


def time_for(batch: Sequence[Waiter]) -> float:
    """Return how long the most patient caller waits still. Seconds."""
    return max(0.0, max(each.deadline for each in batch) - time.monotonic())


def deliver(batch: Sequence[Waiter], response: pb.CheckResponse | pb.BatchCheckResponse) -> None:
    """Give every caller its own answer or error."""
    if isinstance(response, pb.CheckResponse):
        batch[0].answer(response)
        return
    results = response.results
    if len(results) != len(batch):  # then nobody can tell whose answer is whose
        fail(batch, Unavailable("ANSWER_INCOMPLETE", "The answer does not have one result for each question; ask again."))
        return
    for waiter, result in zip(batch, results, strict=True):
        if result.HasField("response"):
            waiter.answer(result.response)
        else:
            waiter.fail(item_error(result.error))


def fail(batch: Sequence[Waiter], error: Exception) -> None:
    """Give every caller the error that the call ended with."""
    for waiter in batch:
        waiter.fail(_failure(error))


def _failure(error: Exception) -> MunjigiClientError:
    if isinstance(error, MunjigiClientError):
        return error
    failure = from_rpc(error) if isinstance(error, grpc.RpcError) else closed()
    failure.__cause__ = error
    return failure


def closed() -> MunjigiClientError:
    """Say that the client was closed while a question was under way."""
    return Unavailable("CANCELLED", "The client was closed before the answer came; there is no access.")


class _Question:
    """What a thread waits for."""

    def __init__(self, request: pb.CheckRequest, deadline: float) -> None:
        self.request = request
        self.deadline = deadline
        self.gone = False
        self._response: pb.CheckResponse | None = None
        self._error: MunjigiClientError | None = None
        self._answered = threading.Lock()  # much cheaper than an Event
        self._answered.acquire()

    def answer(self, response: pb.CheckResponse) -> None:
        self._response = response
        self._answered.release()

    def fail(self, error: MunjigiClientError) -> None:
        self._error = error
        self._answered.release()

    def wait(self, timeout: float) -> pb.CheckResponse:
        """Return the answer. Raises what the call ended with, or `Unavailable` when it is late."""
        try:
            in_time = self._answered.acquire(timeout=min(max(0.0, timeout), threading.TIMEOUT_MAX))
        finally:
            self.gone = True
        if self._error is not None:
            raise self._error
        if not in_time or self._response is None:
            raise late()
        return self._response


class Coalescer:
    """The sync client's: whoever frees a place sends for those who wait; the answers come in on gRPC's own thread."""

    def __init__(
        self,
        call: Callable[[pb.CheckRequest, Credentials, float], pb.CheckResponse],
        start: Callable[[pb.CheckRequest | pb.BatchCheckRequest, Credentials, float], Any],
    ) -> None:
        self._call = call
        self._start = start
        self._lock = threading.Lock()
        self._lanes: dict[Credentials, Lane[_Question]] = {}

    def ask(self, request: pb.CheckRequest, credentials: Credentials, timeout: float) -> pb.CheckResponse:
        """Return the answer to one question. Raises `MunjigiClientError`."""
        question = None
        with self._lock:
            lane = self._lanes.get(credentials)
            if lane is None:
                lane = self._lanes[credentials] = Lane(credentials)
            if not lane.enter():
                question = _Question(request, time.monotonic() + timeout)
                lane.waiting.append(question)
        if question is not None:
            return question.wait(timeout)
        try:
            return self._call(request, credentials, timeout)
        finally:
            self._left(lane, 1)

    def _left(self, lane: Lane[_Question], questions: int) -> None:
        with self._lock:
            lane.leave(questions)
            batches = list(lane.take())
            if lane.idle:
                del self._lanes[lane.credentials]
        for batch in batches:
            self._send(lane, batch)

    def _send(self, lane: Lane[_Question], batch: list[_Question]) -> None:
        try:
            calling = self._start(message_of(batch), lane.credentials, time_for(batch))
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may be left waiting
            fail(batch, error)
            self._left(lane, len(batch))
        else:
            calling.add_done_callback(lambda done: self._arrived(lane, batch, done))

    def _arrived(self, lane: Lane[_Question], batch: list[_Question], done: Any) -> None:
        try:
            response = done.result()
        except Exception as error:  # noqa: BLE001 - same
            fail(batch, error)
        else:
            deliver(batch, response)
        finally:
            self._left(lane, len(batch))
