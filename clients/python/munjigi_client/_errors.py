"""One tree of errors: whatever the client raises is a `MunjigiClientError`.

`reason` is stable and in UPPER_SNAKE, `message` says what to do, and neither ever repeats a value of the request, so
both may be logged and shown.

    MunjigiClientError
    ├── Denied               the answer is DENY; `.decision` has the details, `.help` and `.options` what the employee can do next
    ├── InvalidRequest       a value is malformed; nothing was decided
    ├── NotAuthenticated     the employee's or the tool's credentials are missing or not accepted
    ├── NotPermitted         Munjigi's own operation (audit, policy, grants) was denied
    ├── NotFound             what was named does not exist
    ├── NotNow               the state of things does not permit this; asking again alone will not help
    ├── RateLimited          too much; try again after `.retry_after` seconds
    ├── Unavailable          no answer, so no access; asking again may help
    ├── ServerFault          Munjigi failed inside; its log has the reference that the message names
    ├── ConfigurationError   the client is set up wrongly
    └── ConfirmationsLost    reads took place whose confirmation could not be recorded
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import grpc

from munjigi_client._status import details_of

if TYPE_CHECKING:
    from munjigi_client._types import Decision


class MunjigiClientError(Exception):
    """Base of the tree. `decision_id` names the record of a denied operation, when there is one."""

    def __init__(self, reason: str, message: str, *, decision_id: str = "") -> None:
        super().__init__(f"{message} ({reason})")
        self.reason = reason
        self.message = message
        self.decision_id = decision_id


class Denied(MunjigiClientError):
    """The employee may not do this through this tool now. `options` are requests that would repair it, ready to be made."""

    def __init__(self, decision: Decision) -> None:
        denied = ", ".join(field.name for field in decision.fields if field.effect == "denied")
        what = f"Access denied for {denied}." if denied else "Access denied."
        super().__init__(decision.reason, f"{what} {decision.help}".rstrip(), decision_id=decision.decision_id)
        self.decision = decision
        self.help = decision.help
        self.options = decision.access_options


class InvalidRequest(MunjigiClientError):
    """A malformed value; nothing was decided."""


class NotAuthenticated(MunjigiClientError):
    """Credentials are missing or not accepted."""


class NotPermitted(MunjigiClientError):
    """The core answered DENY to an operation on Munjigi itself."""


class NotFound(MunjigiClientError):
    """What was named does not exist."""


class NotNow(MunjigiClientError):
    """The state of things does not permit this, and a retry alone will not help."""


class RateLimited(MunjigiClientError):
    """Too much; try again after `retry_after` seconds, or ask for less where that is 0."""

    def __init__(self, reason: str, message: str, *, decision_id: str = "", retry_after: float = 0.0) -> None:
        super().__init__(reason, message, decision_id=decision_id)
        self.retry_after = retry_after


class Unavailable(MunjigiClientError):
    """There is no answer, and without an answer there is no access."""


class ServerFault(MunjigiClientError):
    """Munjigi failed inside."""


class ConfigurationError(MunjigiClientError):
    """The client is set up wrongly; the message names the argument."""


class ConfirmationsLost(MunjigiClientError):
    """Some reads could not be confirmed. `reasons` counts them by reason."""

    def __init__(self, reasons: Mapping[str, int]) -> None:
        listed = ", ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items()))
        super().__init__("CONFIRMATIONS_LOST", f"{sum(reasons.values())} read confirmations were not recorded: {listed}.")
        self.reasons = dict(reasons)


_AWAY: Final = "Munjigi cannot be reached, so access is denied. Is it running, and is the address right?"
_LATE: Final = "Munjigi did not answer in time, so access is denied. Try again, or allow more time with `timeout`."

_KINDS: Final[Mapping[grpc.StatusCode, Callable[..., MunjigiClientError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: NotAuthenticated,
    grpc.StatusCode.PERMISSION_DENIED: NotPermitted,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: NotNow,
    grpc.StatusCode.FAILED_PRECONDITION: NotNow,
    grpc.StatusCode.ABORTED: NotNow,
    grpc.StatusCode.RESOURCE_EXHAUSTED: RateLimited,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
}

_BY_NUMBER: Final = {code.value[0]: kind for code, kind in _KINDS.items()}


def late() -> Unavailable:
    """Say that the time which the caller allows is up."""
    return Unavailable(grpc.StatusCode.DEADLINE_EXCEEDED.name, _LATE)


def from_rpc_code(number: int, reason: str, message: str) -> MunjigiClientError:
    """Make the error for a status code number, as one item of a batch carries it."""
    return _BY_NUMBER.get(number, ServerFault)(reason, message)


def from_rpc(error: grpc.RpcError) -> MunjigiClientError:
    """Translate a failed call. The server's text is used only when it came with a reason, that is, from Munjigi itself."""
    # grpcio raises one object that is both the error and the finished call; the aio error has the same methods.
    code = getattr(error, "code", lambda: grpc.StatusCode.UNKNOWN)()
    text = getattr(error, "details", lambda: "")() or ""
    details = details_of(getattr(error, "trailing_metadata", lambda: None)())
    if not details.reason:
        text = {grpc.StatusCode.UNAVAILABLE: _AWAY, grpc.StatusCode.DEADLINE_EXCEEDED: _LATE}.get(
            code, f"The call ended with {code.name}; is this address really Munjigi's?"
        )
    kind = _KINDS.get(code, ServerFault)
    extra = {"retry_after": details.retry_after} if kind is RateLimited else {}
    return kind(details.reason or code.name, text, decision_id=details.decision_id, **extra)
