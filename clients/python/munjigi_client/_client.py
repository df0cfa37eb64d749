"""The client for threads: ask, require, access, confirm."""

from __future__ import annotations

import atexit
import functools
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message

from munjigi_client._access import AccessBlock
from munjigi_client._base import BaseClient, headers, whoami
from munjigi_client._calls import Sent, Token, texts, token_text, write_batch, write_check, written
from munjigi_client._channel import TLS, open_channel
from munjigi_client._coalescing import Coalescer, Credentials
from munjigi_client._confirmations import Flusher, Lost, Pending
from munjigi_client._errors import Denied, MunjigiClientError, from_rpc
from munjigi_client._guard import Binding, FromCall
from munjigi_client._masks import Mask
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import reach_pb2
from munjigi_client._review_methods import ReviewMethods
from munjigi_client._rights_methods import RightsMethods
from munjigi_client._streaming import Asked
from munjigi_client._types import Decision, Observation, Question, Whoami

R = TypeVar("R")


class Client(BaseClient, RightsMethods, ReviewMethods):
    """A tool's connection to Munjigi. Thread-safe; make one a process, after forking, and close it.

    `target` is `host:port` or `unix:/path`. `employee_token` and `tool_token` are strings or functions that return one
    (called for every question, in the asking thread). Production tools use mutual TLS (`tls`) instead of `tool_token`.
    `timeout` is in seconds and covers resending. `observe` is trial mode: everything is asked and recorded as a trial,
    nothing is ever stopped, and `on_observed` (or the log) hears what would have been. `masks` adds to the mask functions
    or replaces them. `traceparent` returns the W3C trace context of the moment. `on_lost` hears, by reason and count, of
    confirmations that could not be recorded. `coalesce` lets questions that are asked at the same time by one employee,
    in one trace, share a batch; one that is asked alone goes at once.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:7443",
        *,
        employee_token: Token | None = None,
        tool_token: Token | None = None,
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
        self._channel = open_channel(target, tls, credentials, grpc.insecure_channel, grpc.secure_channel)
        self._coalescer = Coalescer(self._send, self._start) if coalesce else None
        self._confirmations: Flusher = Flusher(self._send_confirmations, on_lost)
        # A script that forgets to close still sends its confirmations.
        self._at_exit = functools.partial(_close_at_exit, weakref.ref(self))
        atexit.register(self._at_exit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self, timeout: float = 5.0) -> None:
        """Send the confirmations that wait (for at most `timeout` seconds) and disconnect.

        Raises `ConfirmationsLost` when some could not be recorded; the connection is closed all the same.
        """
        if not self._owner or self._life["closed"]:
            return
        atexit.unregister(self._at_exit)
        try:
            self._confirmations.close(timeout)
        finally:
            self._life["closed"] = True
            self._channel.close()

    def check(
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
        """Ask whether the employee may do this now. A DENY is an answer, not an error.

        `resource` is `database.table` or `class:NAME`; `fields` are its columns (none: all). Name the members by
        `member_ids` (raw serials, at most 1,000; the server keeps keyed references only) or say how many by
        `subject_count`. `probe` asks for a menu: it never permits a read. `origin_ip` and `session_id` say where the
        employee sits, for tools that may say so. Raises `MunjigiClientError` when there is no answer.
        """
        fields, member_ids = texts(fields), texts(member_ids)
        try:
            token = self._employee_token()
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
            answer = ask(request, self._credentials(token, self._tool_token()), self._seconds(timeout))
            decision = self._decision(answer, token)
        except MunjigiClientError as error:
            return self._no_answer(error)
        return self._trial.answered(decision) if self._observe and not probe else decision

    def require(self, resource: str, fields: Iterable[str] = (), *, purpose: str, **question: Any) -> Decision:
        """Ask like `check`, and raise `Denied` (with the help text) unless the answer is ALLOW.

        The caller reads within the minute and then calls `confirm`; `access` does that by itself.
        """
        decision = self.check(resource, fields, purpose=purpose, **question)
        if not decision.allowed and not decision.observed:
            raise Denied(decision)
        return decision

    def access(self, resource: str, fields: Iterable[str] = (), *, purpose: str, **question: Any) -> AccessBlock:
        """Return a context manager that requires on entry and confirms on exit what `access.read(...)` reported."""
        return AccessBlock(lambda: self.require(resource, fields, purpose=purpose, **question), self._confirm)

    def guarded(
        self,
        resource: str,
        fields: Iterable[str] = (),
        *,
        purpose: str,
        case_id: str | FromCall = "",
        member_ids: Iterable[str] | FromCall = (),
        **question: Any,
    ) -> Callable[[Callable[..., R]], Callable[..., R]]:
        """Decorate a function so that each call is an `access`; see `_guard.Binding` for the arguments."""

        def decorate(function: Callable[..., R]) -> Callable[..., R]:
            binding = Binding(function, case_id, member_ids)

            @functools.wraps(function)
            def guarded(*arguments: Any, **named: Any) -> R:
                asked = binding.of(arguments, named)
                with self.access(resource, fields, purpose=purpose, **asked, **question) as access:
                    return function(*arguments, access=access, **named)

            return guarded

        return decorate

    def batch_check(self, questions: Sequence[Question], *, timeout: float | None = None) -> list[Decision | MunjigiClientError]:
        """Ask up to 1,000 questions in one durable commit. A bad one does not fail its neighbours: it gets its error."""
        try:
            token = self._employee_token()
            batch = write_batch([written(question, observe=self._observe) for question in questions])
            return self._each(self._call(batch, token, timeout), token)
        except MunjigiClientError as error:
            return [self._no_answer(error) for _ in questions]

    def check_stream(self, questions: Iterable[Question]) -> Iterator[tuple[Question, Decision | MunjigiClientError]]:
        """Ask one question after the other over one call, and give each with its answer, as answers come.

        For work without a known end: questions are taken (in another thread) as fast as they are answered and the answers
        are taken. There is no timeout; a bad question gets its error, and the end of the connection or of the token's life
        raises, as does a question whose values the wire can't carry.
        """
        token = self._employee_token()
        asked, source = Asked(observe=self._observe), iter(questions)
        call = self._stream()(asked.each(source), metadata=headers(self._credentials(token, self._tool_token())))
        try:
            for answer in call:
                yield asked.answered(answer), self._streamed(answer, token)
        except grpc.RpcError as error:
            failure = from_rpc(error)
            for question in itertools.chain(asked.left(), source):
                yield question, self._no_answer(failure)
        finally:
            call.cancel()
        if asked.problem is not None:
            raise asked.problem

    def flush(self, timeout: float = 5.0) -> None:
        """Send the confirmations that wait, now. Raises `ConfirmationsLost`."""
        self._confirmations.flush(timeout)

    def what_can(self, purpose: str = "", *, timeout: float | None = None) -> Whoami:
        """Tell who the employee is to Munjigi and everything they may do through this tool."""
        pages: list[reach_pb2.WhatCanResponse] = []
        while not pages or pages[-1].next_page_token:
            page = pages[-1].next_page_token if pages else ""
            pages.append(self.call(reach_pb2.WhatCanRequest(purpose=purpose, page_size=1000, page_token=page), timeout=timeout))
        return whoami(pages)

    def call(self, request: Message, *, timeout: float | None = None) -> Any:
        """Send any request message of `munjigi.v1` and return its response message, with this client's credentials."""
        return self._call(request, self._employee_token(), timeout)

    def _employee_token(self) -> str:
        return "" if self._employee is None else token_text(self._employee)

    def _tool_token(self) -> str:
        return "" if self._tool is None else token_text(self._tool)

    def _call(self, request: Sent, token: str, timeout: float | None) -> Any:
        return self._send(request, self._credentials(token, self._tool_token()), self._seconds(timeout))

    def _send(self, request: Sent, credentials: Credentials, seconds: float) -> Any:
        try:
            return self._method(request)(request, metadata=headers(credentials), timeout=seconds)
        except grpc.RpcError as error:
            raise from_rpc(error) from error

    def _start(self, request: Sent, credentials: Credentials, seconds: float) -> Any:
        return self._method(request).future(request, metadata=headers(credentials), timeout=seconds)

    def _send_confirmations(self, batch: list[Pending]) -> pb.ConfirmReadResponse:
        request = pb.ConfirmReadRequest(items=[pending.item for pending in batch])
        answer: pb.ConfirmReadResponse = self._call(request, batch[0].token, None)
        return answer


def _close_at_exit(reference: weakref.ref[Client]) -> None:
    client = reference()
    if client is not None:
        client.close()
