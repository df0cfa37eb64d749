"""What the sync and the asyncio client have in common: settings, headers, answers, and which reads are confirmed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, Self

from munjigi_client._answers import decision_from, results_of
from munjigi_client._calls import Sent, confirm_item, header, item_error, path_of, provider_failed
from munjigi_client._coalescing import Credentials
from munjigi_client._errors import ConfigurationError, MunjigiClientError
from munjigi_client._masks import MASKS, Mask
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import reach_pb2
from munjigi_client._streaming import PATH
from munjigi_client._trial import TRIAL_TIMEOUT, Trial
from munjigi_client._types import Decision, Observation, Outcome, Whoami, permission_from

DEFAULT_TIMEOUT: Final = 2.0


class _Queue(Protocol):
    def add(self, item: pb.ConfirmItem, token: str) -> None: ...


class BaseClient:
    """Settings of one connection, and the employee that one view of it asks for."""

    def __init__(
        self,
        employee_token: Any,
        tool_token: Any,
        timeout: float | None,
        observe: bool,
        on_observed: Callable[[Observation], None] | None,
        masks: Mapping[str, Mask] | None,
        traceparent: Callable[[], str | None] | None,
    ) -> None:
        self._employee = employee_token
        self._tool = tool_token
        self._timeout = timeout if timeout is not None else TRIAL_TIMEOUT if observe else DEFAULT_TIMEOUT
        self._observe = observe
        self._masks: Mapping[str, Mask] = {**MASKS, **(masks or {})}
        self._trial = Trial(on_observed, self._masks)
        self._traceparent = traceparent
        self._methods: dict[type[Sent], Callable[..., Any]] = {}
        self._owner = True
        # A box, because the views made by `as_employee` are copies that must see the close.
        self._life = {"closed": False}
        self._channel: Any = None
        self._confirmations: _Queue

    def as_employee(self, employee_token: Any) -> Self:
        """Return a view that asks for another employee over the same connection. Closing a view does nothing."""
        view = copy.copy(self)
        view._employee = employee_token  # noqa: SLF001 - the copy is one of us
        view._owner = False  # noqa: SLF001 - same
        return view

    def confirm(self, decision: Decision, *, rows: int, member_ids: Iterable[str] = (), outcome: Outcome = "read") -> None:
        """Queue the confirmation of an allowed read; it is sent within a moment, in a batch.

        Raises `InvalidRequest` when a value has the wrong type or more than 1,000 members are named.
        """
        self._confirm(decision, outcome, rows, member_ids)

    def _confirm(self, decision: Decision, outcome: Outcome, rows: int, member_ids: Iterable[str]) -> None:
        if not decision.allowed or decision.observed or not decision.valid_until:
            return  # there was no read to confirm: denied, on trial, or a probe
        if decision.must_confirm or outcome == "read":
            self._confirmations.add(confirm_item(decision.decision_id, outcome, rows, member_ids), decision.employee_token)

    def _stream(self) -> Any:
        self._refuse_closed()
        return self._channel.stream_stream(
            PATH,
            request_serializer=pb.CheckStreamRequest.SerializeToString,
            response_deserializer=pb.CheckStreamResponse.FromString,
        )

    def _streamed(self, answer: pb.CheckStreamResponse, token: str) -> Decision | MunjigiClientError:
        if not answer.HasField("response"):
            return item_error(answer.error)
        return self._decision(answer.response.SerializeToString(), token)

    def _each(self, answer: bytes, token: str) -> list[Decision | MunjigiClientError]:
        return [each if isinstance(each, MunjigiClientError) else self._decision(each, token) for each in results_of(answer)]

    def _refuse_closed(self) -> None:
        if self._life["closed"]:
            raise ConfigurationError("CLIENT_CLOSED", "This client has been closed; make a new one.")

    def _method(self, request: Sent) -> Any:
        self._refuse_closed()
        method: Any = self._methods.get(type(request))
        if method is None:
            path, read = path_of(request)
            method = self._channel.unary_unary(
                path, request_serializer=type(request).SerializeToString, response_deserializer=read
            )
            self._methods[type(request)] = method
        return method

    def _credentials(self, employee_token: str, tool_token: str) -> Credentials:
        context = None
        if self._traceparent is not None:
            try:
                context = self._traceparent()
            except Exception as error:
                raise provider_failed(error) from error
        return Credentials(employee_token, tool_token, context or "")

    def _seconds(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout

    def _decision(self, answer: bytes, token: str) -> Decision:
        return decision_from(answer, observed=self._observe, masks=self._masks, token=token)

    def _no_answer(self, error: MunjigiClientError) -> Decision:
        if not self._observe:
            raise error
        return self._trial.unanswered(error)


def headers(credentials: Credentials) -> list[tuple[str, str]]:
    """Return the headers of a call. Raises `ConfigurationError` for a value that HTTP can't carry."""
    found = []
    if credentials.employee:
        found.append(header("authorization", f"Bearer {credentials.employee}"))
    if credentials.tool:
        found.append(header("munjigi-tool-token", credentials.tool))
    if credentials.context:
        found.append(header("traceparent", credentials.context))
    return found


def whoami(pages: Sequence[reach_pb2.WhatCanResponse]) -> Whoami:
    """Join the pages of one WhatCan."""
    last = pages[-1]
    return Whoami(
        last.employee,
        last.issuer,
        last.tool,
        last.principal_type,
        last.department,
        tuple(permission_from(each) for page in pages for each in page.permissions),
        last.policy_revision,
        last.grant_revision,
    )
