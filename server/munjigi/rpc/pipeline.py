"""One request through every gate: size, credentials, shape, handler. Both fronts and all doors use it.

`Pipeline.start` runs on the event loop and returns the answer's bytes, or an awaitable of them. It never
sends: the front sends, after the journal has made durable everything that was appended until then (P1).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, Final, TypeVar

import protovalidate
from google.protobuf.message import DecodeError, Message

from munjigi.decision.grant_table import GrantTable
from munjigi.decision.standing import same_basis
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import InvalidArgument, MunjigiError, ResourceExhausted
from munjigi.monitoring.metric import Slowest
from munjigi.rpc.authentication import Authenticator
from munjigi.rpc.call import ANONYMOUS, Answer, Call, Method, trace_of
from munjigi.rpc.credentials import CallCredentials
from munjigi.rpc.leased import grants_changed
from munjigi.rpc.ports import CallMeter, SnapshotSource
from munjigi_client._proto.buf.validate import validate_pb2

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


def rules_of(message: type[Message], field: str) -> validate_pb2.FieldRules:
    """Return the protovalidate rules of a field, for those who count and measure before they ask."""
    options: Any = message.DESCRIPTOR.fields_by_name[field].GetOptions()
    rules: validate_pb2.FieldRules = options.Extensions[validate_pb2.field]
    return rules


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
        self.authenticator = authenticator
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
        call = ANONYMOUS
        try:
            _small(payload)
            if not method.open:
                call = self._admit(method, credentials, self._clock.now())
            grants = self.grants()
            answer = method.handler(call, _read(method, payload))
            if isinstance(answer, (Message, bytes, bytearray)):
                data = _written(answer)
                seconds = time.perf_counter() - began
                if self._meter.call(method.name, "OK", seconds):
                    self._point_at(method, seconds, call, answer)
                return data
        except MunjigiError as error:
            self._count(method, error.reason, began, call, error)
            raise
        except BaseException:
            self._count(method, "INTERNAL", began, call, None)
            raise
        assert not isinstance(answer, Iterator)
        return self._finish(method, answer, began, call, grants)

    def start_each(self, method: Method, credentials: CallCredentials, payloads: Sequence[bytes]) -> Iterator[bytes]:
        """Run one message or more of a streaming method in a row, as their answers are taken. Raises what `start` raises, and then ends.

        The caller is proved once for all of them.
        """
        began = time.perf_counter()
        call = ANONYMOUS
        try:
            _small(payloads[0])
            call = self._admit(method, credentials, self._clock.now())
            answers = method.handler(call, (_read(method, _small(payload)) for payload in payloads))
            assert isinstance(answers, Iterator)
            for answer in answers:
                seconds = time.perf_counter() - began
                if self._meter.call(method.name, "OK", seconds):
                    self._point_at(method, seconds, call, answer)
                yield answer
                began = time.perf_counter()
        except MunjigiError as error:
            self._count(method, error.reason, began, call, error)
            raise
        except GeneratorExit:
            raise
        except BaseException:
            self._count(method, "INTERNAL", began, call, None)
            raise

    def _admit(self, method: Method, credentials: CallCredentials, now: int) -> Call:
        presented, traceparent, peer, uris, trust = credentials
        bundle, sessions = self._snapshots.snapshot
        caller = self.authenticator.admit(presented, peer, uris, trust, bundle.tools, sessions, now)
        trace_id, span_id = trace_of(traceparent) if traceparent else ("", "")
        return Call(caller, method.name, now, trace_id, span_id)

    async def _finish(self, method: Method, answer: Awaitable[Answer], began: float, call: Call, grants: GrantTable) -> bytes:
        """Await an answer, and withhold what was decided by grants that are others by now (P8).

        What passes is given to the journal at once, so that it leaves before this worker says that it applied a later change.
        """
        reason = "INTERNAL"
        try:
            data = _written(await answer)
            if not method.changes and not same_basis(grants, self.grants(), call.caller.employee, call.caller.tool):
                raise grants_changed()
            reason = "OK"
            return data
        except MunjigiError as error:
            reason = error.reason
            raise
        finally:
            self._count(method, reason, began, call, None)

    def _count(self, method: Method, reason: str, began: float, call: Call, outcome: object) -> None:
        seconds = time.perf_counter() - began
        if self._meter.call(method.name, reason, seconds):
            self._point_at(method, seconds, call, outcome)

    def _point_at(self, method: Method, seconds: float, call: Call, outcome: object) -> None:
        """Note which call was the slowest in a while: by its answer, or its error."""
        if method.written is not None and isinstance(outcome, (bytes, bytearray)):
            outcome = method.written.FromString(bytes(outcome))
        answered = getattr(outcome, "response", outcome)  # a stream's answer holds the one to the question
        decision_id = getattr(answered, "decision_id", "")
        self._meter.slowest(method.name, Slowest(seconds, decision_id, call.trace_id, self._clock.now()))


def _small(payload: bytes) -> bytes:
    if len(payload) > MAX_REQUEST_BYTES:
        raise ResourceExhausted("REQUEST_TOO_LARGE", "A request may have at most 4 MiB; send it in parts.")
    return payload


def _read(method: Method, payload: bytes) -> Any:
    """Read one request and hold it against its rules."""
    request = parse(method.request_type, payload)
    if not method.itemwise:
        validate(request)
    return request


def _written(answer: Answer) -> bytes:
    return answer.SerializeToString() if isinstance(answer, Message) else bytes(answer)


def parse(request_type: type[M], payload: bytes) -> M:
    """Read a request. Raises `InvalidArgument` REQUEST_MALFORMED."""
    try:
        return request_type.FromString(payload)
    except DecodeError:
        raise InvalidArgument(
            "REQUEST_MALFORMED",
            "The request is not a message of this method; generate the client from the published proto files.",
        ) from None
