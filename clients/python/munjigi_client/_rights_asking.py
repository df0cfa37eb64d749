"""Write down what the clients ask of GrantService. Every change gets an idempotency key, so that a call that is sent again is one change."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from munjigi_client._calls import texts
from munjigi_client._errors import InvalidRequest
from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb
from munjigi_client._proto.munjigi.v1 import grant_pb2, revocation_pb2
from munjigi_client._rights import STATES, AccessRequest, RequestState

M = TypeVar("M", bound=Message)
PAGE: Final = 1000
ACKNOWLEDGED: Final = (
    15.0  # seconds: what takes access away is answered when it is true everywhere, a worker that is away included
)


def access(role: str, purpose: str, reason: str, scope: tuple[Iterable[str], Iterable[str]], **named: Any) -> Message:
    """Return RequestAccess. Raises `InvalidRequest` for a value of the wrong type."""
    return _written(pb.RequestAccessRequest, role=role, purpose=purpose, reason=reason, **_scope(scope), **_keyed(named))


def vote(request: AccessRequest, *, approve: bool, reason: str, request_id: str) -> Message:
    """Return DecideRequest on what was read. Raises `InvalidRequest`."""
    named = {"access_request_id": request.access_request_id, "digest": request.digest, "request_id": request_id}
    return _written(pb.DecideRequestRequest, approve=approve, reason=reason, **_keyed(named))


def withdrawal(access_request_id: str, request_id: str) -> Message:
    """Return WithdrawRequest. Raises `InvalidRequest`."""
    return _written(pb.WithdrawRequestRequest, access_request_id=access_request_id, **_keyed({"request_id": request_id}))


def emergency(role: str, purpose: str, reason: str, scope: tuple[Iterable[str], Iterable[str]], **named: Any) -> Message:
    """Return BreakGlass. Raises `InvalidRequest`."""
    return _written(pb.BreakGlassRequest, role=role, purpose=purpose, reason=reason, **_scope(scope), **_keyed(named))


def change(grant_id: str, reason: str, scope: tuple[Iterable[str], Iterable[str]], ends_at: int, request_id: str) -> Message:
    """Return ChangeGrant. Raises `InvalidRequest`."""
    named = {"grant_id": grant_id, "reason": reason, "ends_at": ends_at}
    return _written(pb.ChangeGrantRequest, **named, **_scope(scope), **_keyed({"request_id": request_id}))


def on_grant(kind: type[Message], grant_id: str, reason: str, request_id: str) -> Message:
    """Return RevokeGrant, SuspendGrant or ResumeGrant. Raises `InvalidRequest`."""
    return _written(kind, grant_id=grant_id, reason=reason, **_keyed({"request_id": request_id}))


def requests_page(state: RequestState | None, page: str, *, to_decide: bool, everyone: bool) -> Message:
    """Return ListRequests. Raises `InvalidRequest`."""
    if state is not None and state not in STATES:
        raise InvalidRequest("ARGUMENT_TYPE", f"A state is one of: {', '.join(STATES)}.")
    number = STATES[state] if state is not None else pb.REQUEST_STATE_UNSPECIFIED
    named = {"state": number, "to_decide": to_decide, "everyone": everyone}
    return _written(pb.ListRequestsRequest, page_size=PAGE, page_token=page, **named)


def one_request(access_request_id: str) -> Message:
    """Return ListRequests of one. Raises `InvalidRequest` without an id."""
    if not access_request_id:
        raise InvalidRequest("ARGUMENT_TYPE", "Name the request by its id.")
    return _written(pb.ListRequestsRequest, access_request_id=access_request_id)


def grants_page(page: str, **named: Any) -> Message:
    """Return ListGrants. Raises `InvalidRequest`."""
    return _written(grant_pb2.ListGrantsRequest, page_size=PAGE, page_token=page, **named)


def one_grant(grant_id: str) -> Message:
    """Return ListGrants of one. Raises `InvalidRequest` without an id."""
    if not grant_id:
        raise InvalidRequest("ARGUMENT_TYPE", "Name the grant by its id.")
    return _written(grant_pb2.ListGrantsRequest, grant_id=grant_id)


REVOKE: Final = revocation_pb2.RevokeGrantRequest
SUSPEND: Final = revocation_pb2.SuspendGrantRequest
RESUME: Final = revocation_pb2.ResumeGrantRequest


def _scope(scope: tuple[Iterable[str], Iterable[str]]) -> dict[str, tuple[str, ...]]:
    objects, actions = scope
    return {"scope_objects": texts(objects), "scope_actions": texts(actions)}


def _keyed(named: dict[str, Any]) -> dict[str, Any]:
    return {**named, "request_id": named["request_id"] or uuid.uuid4().hex}


def _written(kind: type[M], **named: Any) -> M:
    try:
        return kind(**named)
    except (TypeError, ValueError):
        message = "An argument has the wrong type: names and reasons are str, times and days are int, scopes are lists of str."
        raise InvalidRequest("ARGUMENT_TYPE", message) from None
