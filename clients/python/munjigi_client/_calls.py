"""What sync and asyncio clients share: requests, the method of each request, headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from munjigi_client._errors import ConfigurationError, InvalidRequest, MunjigiClientError, Unavailable, from_rpc_code
from munjigi_client._proto.munjigi.v1 import audit_pb2, decision_service_pb2, grant_service_pb2, policy_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._types import OUTCOMES, Outcome, Question

Token = str | Callable[[], str]
MEMBERS_LIMIT: Final = 1_000

METHODS: Final[Mapping[type[Message], tuple[str, type[Message]]]] = {
    GetMessageClass(method.input_type): (f"/{service.full_name}/{method.name}", GetMessageClass(method.output_type))
    for module in (decision_service_pb2, audit_pb2, grant_service_pb2, policy_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if not method.client_streaming
}
"""Every unary RPC has its own request type, so the request names the method: request -> path, response."""


def path_of(request: Message) -> tuple[str, type[Message]]:
    """Return path and response type for a request. Raises `ConfigurationError` when no RPC takes it."""
    try:
        return METHODS[type(request)]
    except KeyError:
        raise ConfigurationError("NOT_A_REQUEST", f"No call of munjigi.v1 takes a {type(request).__name__}.") from None


def check_request(question: Question, *, observe: bool) -> pb.CheckRequest:
    """Write a question down. Raises `InvalidRequest` when a value has a type that the wire can't carry."""
    try:
        request = pb.CheckRequest(
            request_id=question.request_id,
            resource=question.resource,
            fields=question.fields,
            action=question.action,
            purpose=question.purpose,
            case_id=question.case_id,
            member_ids=question.member_ids,
            subject_count=question.subject_count,
            intent=pb.INTENT_PROBE if question.probe else pb.INTENT_ACCESS,
            allow_partial=question.allow_partial,
            observe=observe,
        )
        if question.origin_ip or question.session_id:
            request.origin.ip = question.origin_ip
            request.origin.session_id = question.session_id
    except (TypeError, ValueError):
        # Their texts quote the value, so they end here.
        message = "An argument has the wrong type: names, ids and serials are str, counts are int of at least 0."
        raise InvalidRequest("ARGUMENT_TYPE", message) from None
    return request


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
