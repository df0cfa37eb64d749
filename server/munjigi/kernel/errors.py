"""One tree of errors. Whatever leaves a room is one of these, with a reason and what to do.

`reason` is stable and in UPPER_SNAKE (AIP-193 `ErrorInfo.reason`); `message` is for people, says
what to do, and never repeats a value that came from a request (promise P5).
"""

from __future__ import annotations

import traceback


class MunjigiError(Exception):
    """Base of the tree. Never raised itself."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class InvalidArgument(MunjigiError):
    """A malformed value; nothing was decided."""


class Unauthenticated(MunjigiError):
    """Credentials are missing or not accepted."""


class PermissionDenied(MunjigiError):
    """The core answered DENY to an operation on Munjigi itself."""

    def __init__(self, reason: str, message: str, decision_id: str = "") -> None:
        super().__init__(reason, message)
        self.decision_id = decision_id


class NotFound(MunjigiError):
    """What was named does not exist."""


class AlreadyExists(MunjigiError):
    """An idempotency key was used before, for something else."""


class FailedPrecondition(MunjigiError):
    """The state of things does not permit this now, and a retry alone will not help."""


class ResourceExhausted(MunjigiError):
    """Too much; try again after `retry_after` seconds. 0: the same again would be too much at any time."""

    def __init__(self, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after


class Unavailable(MunjigiError):
    """Something that an answer needs is away. A retry may help."""


class AuditUnavailable(Unavailable):
    """The record could not be made durable, so there is no answer (promise P1)."""

    def __init__(self, message: str) -> None:
        super().__init__("AUDIT_UNAVAILABLE", message)


class Corruption(MunjigiError):
    """Bytes on disk are not what was written there. Refuses to start."""


class ConfigurationError(MunjigiError):
    """A setting is unsafe or wrong. Refuses to start and names the setting and the fix (promise P10)."""


def frames_of(error: BaseException) -> list[str]:
    """Return where an error arose, as `file:line`, innermost last, without its text: that may hold a request's values (P5)."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [f"{frame.filename.rpartition('munjigi/')[2]}:{frame.lineno}" for frame in frames]
