"""What SCIM refuses, as its clients know it: a status, and for most of 400 a `scimType` (RFC 7644, 3.12)."""

from __future__ import annotations

from typing import Any, Final, Literal

from munjigi.kernel.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    MunjigiError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

ScimType = Literal["", "invalidFilter", "invalidPath", "invalidSyntax", "invalidValue", "mutability", "noTarget", "uniqueness"]
ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
# The first that an error is one of.
_STATUS: Final[tuple[tuple[type[MunjigiError], int, ScimType], ...]] = (
    (InvalidArgument, 400, "invalidValue"),
    (Unauthenticated, 401, ""),
    (PermissionDenied, 403, ""),
    (NotFound, 404, ""),
    (AlreadyExists, 409, "uniqueness"),
    (FailedPrecondition, 409, ""),
    (ResourceExhausted, 413, ""),
    (Unavailable, 503, ""),
)


class Refused(InvalidArgument):
    """A request that SCIM has a word for."""

    def __init__(self, scim_type: ScimType, message: str, status: int = 400) -> None:
        super().__init__("SCIM_REFUSED", message)
        self.scim_type = scim_type
        self.status = status


def status_of(error: MunjigiError) -> tuple[int, ScimType]:
    """Return status and `scimType` of an error."""
    if isinstance(error, Refused):
        return error.status, error.scim_type
    if error.reason == "ACCOUNT_TAKEN":
        return 409, "uniqueness"
    return next(((status, word) for kind, status, word in _STATUS if isinstance(error, kind)), (500, ""))


def body_of(status: int, scim_type: ScimType, detail: str) -> dict[str, Any]:
    """Return the body of an error."""
    more = {"scimType": scim_type} if scim_type else {}
    return {"schemas": [ERROR], "status": str(status), **more, "detail": detail}
