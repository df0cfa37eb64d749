"""What is only ever read as a whole (scopes, approvers, delegations, requests) as JSON text, and back; what doesn't decode is `Corruption`."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import msgspec

from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.errors import Corruption
from munjigi.kernel.grant import Delegation, Grant, Scope
from munjigi.kernel.review import LogClosing, Review, ReviewException, ReviewItem


class GrantRow(NamedTuple):
    """The JSON columns of a grant's row."""

    approved_by: str
    scope: str | None


_ENCODER: Final = msgspec.json.Encoder()
_NAMES: Final = msgspec.json.Decoder(tuple[str, ...])
_SCOPE: Final = msgspec.json.Decoder(Scope)
_DELEGATIONS: Final = msgspec.json.Decoder(tuple[Delegation, ...])
_REQUEST: Final = msgspec.json.Decoder(AccessRequest)
_REVIEW: Final = msgspec.json.Decoder(Review)
_ITEM: Final = msgspec.json.Decoder(ReviewItem)
_EXCEPTION: Final = msgspec.json.Decoder(ReviewException)
_CLOSING: Final = msgspec.json.Decoder(LogClosing)
T = TypeVar("T")


def encode_grant(grant: Grant) -> GrantRow:
    """Write the lists of a grant."""
    scope = None if grant.scope is None else _ENCODER.encode(grant.scope).decode()
    return GrantRow(_ENCODER.encode(grant.approved_by).decode(), scope)


def decode_grant(row: GrantRow) -> tuple[tuple[str, ...], Scope | None]:
    """Read the lists of a grant: approvers and scope.

    Raises `Corruption` when they don't decode.
    """
    try:
        return _NAMES.decode(row.approved_by), None if row.scope is None else _SCOPE.decode(row.scope)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise corrupt() from None


def encode_delegations(delegations: tuple[Delegation, ...]) -> str:
    """Write a person's delegations."""
    return _ENCODER.encode(delegations).decode()


def decode_delegations(text: str) -> tuple[Delegation, ...]:
    """Read a person's delegations. Raises `Corruption` when they don't decode."""
    return _decoded(_DELEGATIONS, text)


def encode_request(request: AccessRequest) -> str:
    """Write a request."""
    return _ENCODER.encode(request).decode()


def decode_request(text: str) -> AccessRequest:
    """Read a request. Raises `Corruption` when it doesn't decode."""
    return _decoded(_REQUEST, text)


def encode_of_review(value: Review | ReviewItem | ReviewException | LogClosing) -> str:
    """Write a review, an item, an exception or the closing of a log."""
    return _ENCODER.encode(value).decode()


def decode_review(text: str) -> Review:
    """Read a review. Raises `Corruption` when it doesn't decode."""
    return _decoded(_REVIEW, text)


def decode_item(text: str) -> ReviewItem:
    """Read an item of a review. Raises `Corruption` when it doesn't decode."""
    return _decoded(_ITEM, text)


def decode_exception(text: str) -> ReviewException:
    """Read an exception. Raises `Corruption` when it doesn't decode."""
    return _decoded(_EXCEPTION, text)


def decode_closing(text: str) -> LogClosing:
    """Read the closing of a log. Raises `Corruption` when it doesn't decode."""
    return _decoded(_CLOSING, text)


def _decoded(decoder: msgspec.json.Decoder[T], text: str) -> T:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise corrupt() from None


def corrupt() -> Corruption:
    """Return what is raised for rows that no version wrote."""
    return Corruption(
        "STATE_CORRUPT", "The state store holds a row that can't be read; put this state folder aside and restore a backup."
    )
