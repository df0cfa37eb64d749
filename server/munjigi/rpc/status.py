"""Translate errors into gRPC status: the one place that knows both (AIP-193).

An error that is not of our tree becomes INTERNAL with a reference into the log, never with its text.
"""

from __future__ import annotations

import logging
import secrets
from typing import Final, NamedTuple, TypeAlias

from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from munjigi.kernel import errors

DOMAIN: Final = "munjigi"
DETAILS_KEY: Final = "grpc-status-details-bin"
_LOGGER: Final = logging.getLogger("munjigi.rpc")

_CODES: Final[tuple[tuple[type[errors.MunjigiError], StatusCode], ...]] = (
    (errors.InvalidArgument, StatusCode.INVALID_ARGUMENT),
    (errors.Unauthenticated, StatusCode.UNAUTHENTICATED),
    (errors.PermissionDenied, StatusCode.PERMISSION_DENIED),
    (errors.NotFound, StatusCode.NOT_FOUND),
    (errors.AlreadyExists, StatusCode.ALREADY_EXISTS),
    (errors.FailedPrecondition, StatusCode.FAILED_PRECONDITION),
    (errors.ResourceExhausted, StatusCode.RESOURCE_EXHAUSTED),
    (errors.Unavailable, StatusCode.UNAVAILABLE),
    (errors.Corruption, StatusCode.DATA_LOSS),
)


class Status(NamedTuple):
    """What the client gets: code number, text, and the serialized `google.rpc.Status`."""

    code: int
    message: str
    details: bytes
    reason: str


Outcome: TypeAlias = bytes | Status  # what a call ends with: its answer, or why there is none


def code_of(error: errors.MunjigiError) -> StatusCode:
    """Return the status code of an error of our tree."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return StatusCode.INTERNAL


def render(error: BaseException) -> Status:
    """Turn an error into a status."""
    if not isinstance(error, errors.MunjigiError):
        error = _internal(error)
    number: int = code_of(error).value[0]
    status = status_pb2.Status(code=number, message=error.message)
    metadata = {}
    if isinstance(error, errors.PermissionDenied) and error.decision_id:
        metadata["decision_id"] = error.decision_id
    _pack(status.details.add(), error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata))
    if isinstance(error, errors.ResourceExhausted) and error.retry_after > 0:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after * 1e9))
        _pack(status.details.add(), error_details_pb2.RetryInfo(retry_delay=delay))
    return Status(number, error.message, status.SerializeToString(), error.reason)


def _pack(into: any_pb2.Any, message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> None:
    into.Pack(message)


def _internal(error: BaseException) -> errors.MunjigiError:
    """Log where it happened under a reference; the error's text may hold a request's values (P5)."""
    reference = secrets.token_hex(6)
    _LOGGER.error(
        "internal error", extra={"reference": reference, "error": type(error).__name__, "frames": errors.frames_of(error)}
    )
    return errors.MunjigiError("INTERNAL", f"An internal error; the server's log has it under reference {reference}.")
