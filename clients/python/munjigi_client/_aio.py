"""The client for asyncio: the twin of `Client`, method for method."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message

from munjigi_client._access import AsyncAccessBlock
from munjigi_client._aio_coalescing import AsyncCoalescer
from munjigi_client._aio_review_methods import AsyncReviewMethods
from munjigi_client._aio_rights_methods import AsyncRightsMethods
from munjigi_client._base import BaseClient, headers, whoami
from munjigi_client._calls import Sent, Token, provider_failed, texts, write_batch, write_check, written
from munjigi_client._channel import TLS, open_channel
from munjigi_client._coalescing import Credentials
from munjigi_client._confirmations import CAPACITY, INTERVAL, PAUSE, VALIDITY, Book, Lost, Pending
from munjigi_client._errors import ConfigurationError, ConfirmationsLost, Denied, InvalidRequest, MunjigiClientError, from_rpc
from munjigi_client._guard import Binding, FromCall
from munjigi_client._masks import Mask
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import reach_pb2
from munjigi_client._streaming import Asked
from munjigi_client._types import Decision, Observation, Question, Whoami

R = TypeVar("R")
AsyncToken = Token | Callable[[], Awaitable[str]]


class AsyncClient(BaseClient, AsyncRightsMethods, AsyncReviewMethods):
    """A tool's connection to Munjigi for one event loop; make it inside the loop, best as `async with AsyncClient(...)`.

    The arguments are those of `Client`; token functions may be coroutines. `flush` and `close` are awaited.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:7443",
        *,
        employee_token: AsyncToken | None = None,
        tool_token: AsyncToken | None = None,
        tls: TLS | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        timeout: float | None = None,
        observe: bool = False,
        on_observed: Callable[[Observation], None] | None = None,
        on_lost: Lost | None = None,
        masks: Mapping[str, Mask] | None = None,
        traceparent: Callable[[], str | None] | None = None,
        coalesce: bool = True,
    ) -> None:
        super().__init__(employee_token, tool_token, timeout, observe, on_observed, masks, traceparent)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError("NO_EVENT_LOOP", "Make an AsyncClient inside a coroutine.") from None
        self._channel = open_channel(target, tls, credentials, grpc.aio.insecure_channel, grpc.aio.secure_channel)
        self._coalescer = AsyncCoalescer(self._send, self._start) if coalesce else None
        self._confirmations: AsyncFlusher = AsyncFlusher(self._send_confirmations, on_lost)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self, timeout: float = 5.0) -> None:
        """Send the confirmations that wait (for at most `timeout` seconds) and disconnect. Raises `ConfirmationsLost`."""
        if not self._owner or self._life["closed"]:
            return
        try:
            await self._confirmations.close(timeout)
        finally:
            self._life["closed"] = True
            await self._channel.close()

    async def check(
        self,
        resource: str,
        fields: Iterable[str] = (),
        *,
        purpose: str,
        case_id: str = "",
        member_ids: Iterable[str] = (),
        subject_count: int = 0,
        action: str = "read",
        allow_partial: bool = False,
        probe: bool = False,
        request_id: str = "",
        origin_ip: str = "",
        session_id: str = "",
        timeout: float | None = None,
    ) -> Decision:
        """Ask whether the employee may do this now; see `Client.check`."""
        fields, member_ids = texts(fields), texts(member_ids)
        try:
            employee, tool = self._employee, self._tool
            # Most tokens are plain texts, for which nothing need be awaited.
            token = employee if type(employee) is str else await _text(employee)
            credentials = self._credentials(token, tool if type(tool) is str else await _text(tool))
            request = write_check(
                resource,
                fields,
                purpose,
                case_id,
                member_ids,
                subject_count,
                action,
                allow_partial,
                probe,
                request_id,
                origin_ip,
                session_id,
                self._observe,
            )
            ask = self._send if self._coalescer is None else self._coalescer.ask
            answer = await ask(request, credentials, self._seconds(timeout))
            decision = self._decision(answer, token)
        except MunjigiClientError as error:
            return self._no_answer(error)
        return self._trial.answered(decision) if self._observe and not probe else decision

    async def require(self, resource: str, fields: Iterable[str] = (), *, purpose: str, **question: Any) -> Decision:
        """Ask like `check`, and raise `Denied` unless the answer is ALLOW; see `Client.require`."""
        decision = await self.check(resource, fields, purpose=purpose, **question)
        if not decision.allowed and not decision.observed:
            raise Denied(decision)
        return decision

    def access(self, resource: str, fields: Iterable[str] = (), *, purpose: str, **question: Any) -> AsyncAccessBlock:
        """Return an `async with` block that requires on entry and confirms on exit what was reported."""
        return AsyncAccessBlock(lambda: self.require(resource, fields, purpose=purpose, **question), self._confirm)

    def guarded(
        self,
        resource: str,
        fields: Iterable[str] = (),
        *,
        purpose: str,
        case_id: str | FromCall = "",
        member_ids: Iterable[str] | FromCall = (),
        **question: Any,
    ) -> Callable[[Callable[..., Awaitable[R]]], Callable[..., Awaitable[R]]]:
        """Decorate a coroutine function so that each call is an `access`; see `Client.guarded`."""

        def decorate(function: Callable[..., Awaitable[R]]) -> Callable[..., Awaitable[R]]:
            binding = Binding(function, case_id, member_ids)

            @functools.wraps(function)
            async def guarded(*arguments: Any, **named: Any) -> R:
                asked = binding.of(arguments, named)
                async with self.access(resource, fields, purpose=purpose, **asked, **question) as access:
                    return await function(*arguments, access=access, **named)

            return guarded

        return decorate

    async def batch_check(
        self, questions: Sequence[Question], *, timeout: float | None = None
    ) -> list[Decision | MunjigiClientError]:
        """Ask up to 1,000 questions in one durable commit; see `Client.batch_check`."""
        try:
            token = await _text(self._employee)
            batch = write_batch([written(question, observe=self._observe) for question in questions])
            return self._each(await self._call(batch, token, timeout), token)
        except MunjigiClientError as error:
            return [self._no_answer(error) for _ in questions]

    async def check_stream(
        self, questions: Iterable[Question] | AsyncIterable[Question]
    ) -> AsyncIterator[tuple[Question, Decision | MunjigiClientError]]:
        """Ask one question after the other over one call, and give each with its answer; see `Client.check_stream`."""
        token = await _text(self._employee)
        metadata = headers(self._credentials(token, await _text(self._tool)))
        asked, source = Asked(observe=self._observe), _each(questions)

        async def ask() -> AsyncIterator[pb.CheckStreamRequest]:
            try:
                async for question in source:
                    yield asked.ask(question)
            except InvalidRequest as error:
                asked.problem = error

        call = self._stream()(ask(), metadata=metadata)
        try:
            async for answer in call:
                yield asked.answered(answer), self._streamed(answer, token)
        except grpc.RpcError as error:
            failure = from_rpc(error)
            for question in asked.left():
                yield question, self._no_answer(failure)
            async for question in source:
                yield question, self._no_answer(failure)
        finally:
            call.cancel()
        if asked.problem is not None:
            raise asked.problem

    async def flush(self, timeout: float = 5.0) -> None:
        """Send the confirmations that wait, now. Raises `ConfirmationsLost`."""
        await self._confirmations.flush(timeout)

    async def what_can(self, purpose: str = "", *, timeout: float | None = None) -> Whoami:
        """Tell who the employee is to Munjigi and everything they may do through this tool."""
        pages: list[reach_pb2.WhatCanResponse] = []
        while not pages or pages[-1].next_page_token:
            page = pages[-1].next_page_token if pages else ""
            request = reach_pb2.WhatCanRequest(purpose=purpose, page_size=1000, page_token=page)
            pages.append(await self.call(request, timeout=timeout))
        return whoami(pages)

    async def call(self, request: Message, *, timeout: float | None = None) -> Any:
        """Send any request message of `munjigi.v1` and return its response message, with this client's credentials."""
        return await self._call(request, await _text(self._employee), timeout)

    async def _call(self, request: Sent, token: str, timeout: float | None) -> Any:
        credentials = self._credentials(token, await _text(self._tool))
        return await self._send(request, credentials, self._seconds(timeout))

    async def _send(self, request: Sent, credentials: Credentials, seconds: float) -> Any:
        try:
            return await self._start(request, credentials, seconds)
        except grpc.RpcError as error:
            raise from_rpc(error) from error

    def _start(self, request: Sent, credentials: Credentials, seconds: float) -> Any:
        return self._method(request)(request, metadata=headers(credentials), timeout=seconds)

    async def _send_confirmations(self, batch: list[Pending]) -> pb.ConfirmReadResponse:
        request = pb.ConfirmReadRequest(items=[pending.item for pending in batch])
        answer: pb.ConfirmReadResponse = await self._call(request, batch[0].token, None)
        return answer


class AsyncFlusher:
    """The asyncio client's sender: one task, started by the first confirmation."""

    def __init__(self, send: Callable[[list[Pending]], Awaitable[pb.ConfirmReadResponse]], on_lost: Lost | None) -> None:
        self._send = send
        self._book = Book(on_lost)
        self._sending = asyncio.Lock()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, item: pb.ConfirmItem, token: str) -> None:
        """Queue a confirmation. When the queue is full the oldest one is counted as lost: a loop can't be made to wait."""
        self._book.waiting.append(Pending(item, token, time.monotonic() + VALIDITY))
        if len(self._book.waiting) > CAPACITY:
            self._book.give_up([self._book.waiting.popleft()], "QUEUE_FULL")
        self._wake.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="munjigi-confirmations")

    async def flush(self, timeout: float) -> None:
        """Send what waits, trying for at most `timeout` seconds. Raises `ConfirmationsLost`."""
        end = time.monotonic() + timeout
        await self._send_all()
        while self._book.waiting and (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, PAUSE))
            await self._send_all()
        self._book.raise_lost()

    async def close(self, timeout: float) -> None:
        """Flush, then count what still waits as lost. Raises `ConfirmationsLost`."""
        async with self._sending:  # never cancel in the middle of a batch
            if self._task is not None:
                self._task.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        lost: dict[str, int] = {}
        for step in (self.flush(timeout), self._abandon()):
            lost = await _collect(step, lost)
        if lost:
            raise ConfirmationsLost(lost)

    async def _abandon(self) -> None:
        remaining = list(self._book.waiting)
        self._book.waiting.clear()
        self._book.give_up(remaining, "UNAVAILABLE")
        self._book.raise_lost()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(INTERVAL)  # company may come
            await self._send_all()
            while self._book.waiting:
                await asyncio.sleep(PAUSE)
                await self._send_all()

    async def _send_all(self) -> None:
        async with self._sending:
            batches = deque(self._book.take())
            try:
                while batches:
                    await self._send_one(batches[0])
                    batches.popleft()
            finally:  # cancelled in the middle: what was not settled waits again
                for batch in batches:
                    self._book.waiting.extend(batch)

    async def _send_one(self, batch: list[Pending]) -> None:
        try:
            response = await self._send(batch)
        except MunjigiClientError as error:
            self._book.failed(batch, error, time.monotonic())
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch must be counted
            self._book.give_up(batch, type(error).__name__)
        else:
            self._book.answered(batch, response, time.monotonic())


async def _collect(step: Awaitable[None], lost: dict[str, int]) -> dict[str, int]:
    try:
        await step
    except ConfirmationsLost as error:
        return {reason: lost.get(reason, 0) + error.reasons.get(reason, 0) for reason in {*lost, *error.reasons}}
    return lost


async def _text(token: Any) -> str:
    """Return the token's text, calling and awaiting a provider. Raises `Unavailable` when the provider fails."""
    if token is None:
        return ""
    if not callable(token):
        return str(token)
    try:
        text = token()
        return str(await text if inspect.isawaitable(text) else text)
    except MunjigiClientError:
        raise
    except Exception as error:
        raise provider_failed(error) from error


async def _each(questions: Iterable[Question] | AsyncIterable[Question]) -> AsyncIterator[Question]:
    if isinstance(questions, AsyncIterable):
        async for question in questions:
            yield question
    else:
        for question in questions:
            yield question
