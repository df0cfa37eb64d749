"""What sync and asyncio clients share: requests, the method of each request, headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from munjigi_client._errors import ConfigurationError, InvalidRequest, MunjigiClientError, Unavailable, from_rpc_code
from munjigi_client._proto.munjigi.v1 import audit_pb2, decision_service_pb2, grant_service_pb2, policy_pb2, review_service_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._types import OUTCOMES, Outcome, Question

Token = str | Callable[[], str]
MEMBERS_LIMIT: Final = 1_000
_new = tuple.__new__  # a NamedTuple's own constructor costs twice as much
_FIELD: Final = 64  # bytes that a field adds to a weight, for its share of the answer


class WrittenCheck(NamedTuple):
    """The bytes of a CheckRequest, and about how many bytes it and its answer take in a batch."""

    written: bytes
    weight: int

    def SerializeToString(self) -> bytes:  # noqa: N802 - as a message does
        return self.written


class WrittenBatch(NamedTuple):
    """The bytes of a BatchCheckRequest."""

    written: bytes

    def SerializeToString(self) -> bytes:  # noqa: N802 - as a message does
        return self.written


Sent = Message | WrittenCheck | WrittenBatch

METHODS: Final[Mapping[type[Message], tuple[str, type[Message]]]] = {
    GetMessageClass(method.input_type): (f"/{service.full_name}/{method.name}", GetMessageClass(method.output_type))
    for module in (decision_service_pb2, audit_pb2, grant_service_pb2, policy_pb2, review_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if not method.client_streaming
}
"""Every unary RPC has its own request type, so the request names the method: request -> path, response."""
_WRITTEN: Final[Mapping[type[Any], type[Message]]] = {WrittenCheck: pb.CheckRequest, WrittenBatch: pb.BatchCheckRequest}


def path_of(request: Sent) -> tuple[str, Callable[[bytes], Any] | None]:
    """Return the path for a request and what reads the response: nothing where the request was written as bytes.

    Raises `ConfigurationError` when no RPC takes it.
    """
    kind: Any = type(request)
    try:
        if kind in _WRITTEN:
            return METHODS[_WRITTEN[kind]][0], None
        path, response = METHODS[kind]
        return path, response.FromString
    except KeyError:
        raise ConfigurationError("NOT_A_REQUEST", f"No call of munjigi.v1 takes a {type(request).__name__}.") from None


def written(question: Question, *, observe: bool) -> WrittenCheck:
    """Write a question down as bytes. Raises `InvalidRequest` when a value has a type that the wire can't carry."""
    return write_check(
        question.resource,
        question.fields,
        question.purpose,
        question.case_id,
        question.member_ids,
        question.subject_count,
        question.action,
        question.allow_partial,
        question.probe,
        question.request_id,
        question.origin_ip,
        question.session_id,
        observe,
    )


def check_request(question: Question, *, observe: bool) -> pb.CheckRequest:
    """Write a question down as a message. Raises what `written` raises."""
    return pb.CheckRequest.FromString(written(question, observe=observe).written)


def write_check(
    resource: str,
    fields: Sequence[str],
    purpose: str,
    case_id: str,
    member_ids: Sequence[str],
    subject_count: int,
    action: str,
    allow_partial: bool,
    probe: bool,
    request_id: str,
    origin_ip: str,
    session_id: str,
    observe: bool,
) -> WrittenCheck:
    """Write a question down as bytes. Raises `InvalidRequest` when a value has a type that the wire can't carry.

    A tool asks the same about one member after the other: all but member, case and correlation id is written once.
    """
    try:
        common = _common(
            resource, tuple(fields), purpose, subject_count, action, allow_partial, probe, origin_ip, session_id, observe
        )
        # Two messages in a row are read as one.
        parts = [common, _case(case_id)] if case_id else [common]
        for member in member_ids:
            parts += _MEMBER, _size(len(each := member.encode())), each
        if request_id:
            parts += _REQUEST, _size(len(each := request_id.encode())), each
        whole = b"".join(parts)
    except (AttributeError, TypeError, ValueError):
        # Their texts quote the value, so they end here.
        message = "An argument has the wrong type: names, ids and serials are str, counts are int of at least 0."
        raise InvalidRequest("ARGUMENT_TYPE", message) from None
    return _new(WrittenCheck, (whole, len(whole) + _FIELD * (1 + len(fields))))


_CASE, _MEMBER, _REQUEST = (
    bytes([pb.CheckRequest.DESCRIPTOR.fields_by_name[each].number << 3 | 2]) for each in ("case_id", "member_ids", "request_id")
)


@lru_cache(maxsize=512)
def _case(case_id: str) -> bytes:
    written = case_id.encode()
    return _CASE + _size(len(written)) + written


@lru_cache(maxsize=512, typed=True)
def _common(
    resource: str,
    fields: tuple[str, ...],
    purpose: str,
    subject_count: int,
    action: str,
    allow_partial: bool,
    probe: bool,
    origin_ip: str,
    session_id: str,
    observe: bool,
) -> bytes:
    origin = pb.Origin(ip=origin_ip, session_id=session_id) if origin_ip or session_id else None
    request = pb.CheckRequest(
        resource=resource,
        fields=fields,
        action=action,
        purpose=purpose,
        subject_count=subject_count,
        intent=pb.INTENT_PROBE if probe else pb.INTENT_ACCESS,
        allow_partial=allow_partial,
        origin=origin,
        observe=observe,
    )
    return request.SerializeToString()


def write_batch(checks: Iterable[WrittenCheck]) -> WrittenBatch:
    """Write several questions down as one request."""
    return WrittenBatch(b"".join([_ITEM + _size(len(each.written)) + each.written for each in checks]))


_ITEM: Final = bytes([pb.BatchCheckRequest.DESCRIPTOR.fields_by_name["items"].number << 3 | 2])


@lru_cache(maxsize=1024)
def _size(number: int) -> bytes:
    """Write a length, https://protobuf.dev/programming-guides/encoding/#varints."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def texts(values: Iterable[str]) -> tuple[str, ...]:
    """Take several values, and refuse the classic slip of one plain string. Raises `InvalidRequest`."""
    if isinstance(values, str):
        raise InvalidRequest("ARGUMENT_TYPE", "`fields` and `member_ids` are lists: write ['name'], not 'name'.")
    return tuple(values)


def confirm_item(decision_id: str, outcome: Outcome, rows: int, member_ids: Iterable[str]) -> pb.ConfirmItem:
    """Write a confirmation down. Raises `InvalidRequest` when a value has the wrong type or there are too many members."""
    members = texts(member_ids)
    if len(members) > MEMBERS_LIMIT:
        raise InvalidRequest("TOO_MANY_MEMBERS", f"One access may name at most {MEMBERS_LIMIT} members; ask once per batch.")
    try:
        return pb.ConfirmItem(decision_id=decision_id, outcome=OUTCOMES[outcome], row_count=rows, member_ids=members)
    except (TypeError, ValueError, KeyError):
        message = "A confirmation takes an int of at least 0 as rows, str as member ids, and read, failed or abandoned."
        raise InvalidRequest("ARGUMENT_TYPE", message) from None


def header(name: str, value: str) -> tuple[str, str]:
    """Make one header. Raises `ConfigurationError` for a value that HTTP can't carry; grpc's own error would quote it."""
    if not value or not value.isascii() or not value.isprintable():
        raise ConfigurationError("TOKEN_MALFORMED", f"The value for `{name}` must be one line of printable ASCII.")
    return name, value


def token_text(token: Any) -> str:
    """Return the token's text, calling a provider. Raises `Unavailable` when the provider fails."""
    if not callable(token):
        return str(token)
    try:
        return str(token())
    except MunjigiClientError:
        raise
    except Exception as error:
        raise provider_failed(error) from error


def provider_failed(error: Exception) -> Unavailable:
    """Say that the function which was given for a token failed, without its text; it may work the next time."""
    return Unavailable("TOKEN_PROVIDER_FAILED", f"The function that gives the token raised {type(error).__name__}.")


def item_error(error: pb.ItemError) -> MunjigiClientError:
    """Translate the error of one item of a batch."""
    return from_rpc_code(error.code, error.reason, error.message)
