"""One request through every gate: size, credentials, shape, handler. Both fronts and all doors use it.

`Pipeline.start` runs on the event loop and returns the answer's bytes, or an awaitable of them. It never
sends: the front sends, after the journal has made durable everything that was appended until then (P1).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from typing import Any, Final, TypeVar

import protovalidate
from google.protobuf.message import DecodeError, Message

from munjigi.decision.grant_table import GrantTable
from munjigi.decision.standing import same_basis
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import InvalidArgument, MunjigiError, ResourceExhausted
from munjigi.kernel.identity import Caller
from munjigi.rpc.authentication import Authenticator
from munjigi.rpc.call import ANONYMOUS, Call, Method, trace_of
from munjigi.rpc.credentials import CallCredentials
from munjigi.rpc.leased import grants_changed
from munjigi.rpc.ports import CallMeter, SnapshotSource

MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024
_VALIDATOR: Final = protovalidate.Validator()
_MAX_NAMED: Final = 5
M = TypeVar("M", bound=Message)
_NO_FAULTS: Final[dict[int, InvalidArgument]] = {}

_Named = tuple[protovalidate.Violation, Sequence[Any]]  # and the way to its field


def validate(request: Message) -> None:
    """Run the request's protovalidate rules.

    Raises `InvalidArgument` that names the fields and rules, never the values.
    """
    violations = _VALIDATOR.collect_violations(request)
    if violations:
        raise _invalid([(each, _path(each)) for each in violations])


def faults_of_items(request: Message) -> dict[int, InvalidArgument]:
    """Run the rules of a request with `items`, all at once; return what is wrong, by the number of the item.

    Raises `InvalidArgument` when something else than an item is wrong.
    """
    violations = _VALIDATOR.collect_violations(request)
    if not violations:
        return _NO_FAULTS
    of_item: dict[int, list[_Named]] = {}
    for each in violations:
        path = _path(each)
        if len(path) < 2 or path[0].field_name != "items" or path[0].subscript is None:
            raise _invalid([(each, path)])
        of_item.setdefault(path[0].subscript.value, []).append((each, path[1:]))
    return {number: _invalid(found) for number, found in of_item.items()}


def _path(violation: protovalidate.Violation) -> Sequence[Any]:
    """Return the way to the field, outermost first."""
    return violation.proto.field.elements if violation.proto.field is not None else ()


def _invalid(found: list[_Named]) -> InvalidArgument:
    """Name fields and rules, never values."""
    named = [
        f"`{'.'.join(element.field_name for element in path)}` {each.proto.message or each.proto.rule_id}"
        for each, path in found[:_MAX_NAMED]
    ]
    return InvalidArgument("REQUEST_INVALID", "Correct the request: " + "; ".join(named) + ".")


class Pipeline:
    """The gates in their order."""

    def __init__(self, authenticator: Authenticator, snapshots: SnapshotSource, clock: Clock, meter: CallMeter) -> None:
        self._authenticator = authenticator
        self._snapshots = snapshots
        self._clock = clock
        self._meter = meter

    def grants(self) -> GrantTable:
        """Return the grant table that decides now."""
        return self._snapshots.snapshot.grants

    def start(self, method: Method, payload: bytes, credentials: CallCredentials) -> bytes | Awaitable[bytes]:
        """Run one call up to its answer.

        Raises errors of our tree; whatever else comes out is a defect and is rendered as INTERNAL.
        """
        began = time.perf_counter()
        try:
            if len(payload) > MAX_REQUEST_BYTES:
                raise ResourceExhausted("REQUEST_TOO_LARGE", "A request may have at most 4 MiB; send it in parts.")
            now = self._clock.now()
            call = ANONYMOUS
            if not method.open:
                presented, traceparent, peer, uris, trust = credentials
                bundle, sessions = self._snapshots.snapshot
                caller = self._authenticator.admit(presented, peer, uris, trust, bundle.tools, sessions, now)
                trace_id, span_id = trace_of(traceparent) if traceparent else ("", "")
                call = Call(caller, method.name, now, trace_id, span_id)
            grants = self.grants()
            request = parse(method.request_type, payload)
            if not method.itemwise:
                validate(request)
            answer = method.handler(call, request)
            if isinstance(answer, Message):
                data = answer.SerializeToString()
                self._meter.call(method.name, "OK", time.perf_counter() - began)
                return data
        except MunjigiError as error:
            self._meter.call(method.name, error.reason, time.perf_counter() - began)
            raise
        except BaseException:
            self._meter.call(method.name, "INTERNAL", time.perf_counter() - began)
            raise
        return self._finish(method, answer, began, call.caller, grants)

    def start_at_once(self, method: Method, credentials: CallCredentials, payload: bytes) -> bytes:
        """Run one message of a streaming method, whose handler answers at once. Raises what `start` raises."""
        answer = self.start(method, payload, credentials)
        assert isinstance(answer, bytes)
        return answer

    async def _finish(
        self, method: Method, answer: Awaitable[Message], began: float, caller: Caller, grants: GrantTable
    ) -> bytes:
        """Await an answer, and withhold what was decided by grants that are others by now (P8).

        What passes is given to the journal at once, so that it leaves before this worker says that it applied a later change.
        """
        reason = "INTERNAL"
        try:
            data = (await answer).SerializeToString()
            if not method.changes and not same_basis(grants, self.grants(), caller.employee, caller.tool):
                raise grants_changed()
            reason = "OK"
            return data
        except MunjigiError as error:
            reason = error.reason
            raise
        finally:
            self._meter.call(method.name, reason, time.perf_counter() - began)


def parse(request_type: type[M], payload: bytes) -> M:
    """Read a request. Raises `InvalidArgument` REQUEST_MALFORMED."""
    try:
        return request_type.FromString(payload)
    except DecodeError:
        raise InvalidArgument(
            "REQUEST_MALFORMED",
            "The request is not a message of this method; generate the client from the published proto files.",
        ) from None
