"""A change of a review and its record: each is made of the other, and nothing is lost on the way."""

from __future__ import annotations

from typing import Any, Final

from munjigi.audit.permission_records import PermissionRecord
from munjigi.audit.review_records import (
    ExceptionApprovedRecord,
    ExceptionAskedRecord,
    ExceptionRecord,
    ItemsAppliedRecord,
    ItemsDecidedRecord,
    ItemsRecord,
    ItemsReroutedRecord,
    ItemsUndoneRecord,
    LogCloseAskedRecord,
    LogClosedRecord,
    LogClosingRecord,
    ReviewChangedRecord,
    ReviewClosedRecord,
    ReviewOpenedRecord,
    ReviewRecord,
)
from munjigi.grants.log_edits import LogEdit
from munjigi.grants.review_edits import ExceptionEdit, ItemsEdit, ReviewEdit
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import LogClosing, Review, ReviewException

REVIEW_RECORDS: Final[dict[str, type[PermissionRecord]]] = {
    "review_opened": ReviewOpenedRecord,
    "review_changed": ReviewChangedRecord,
    "review_closed": ReviewClosedRecord,
    "items_decided": ItemsDecidedRecord,
    "items_rerouted": ItemsReroutedRecord,
    "items_applied": ItemsAppliedRecord,
    "items_undone": ItemsUndoneRecord,
    "exception_asked": ExceptionAskedRecord,
    "exception_approved": ExceptionApprovedRecord,
    "log_close_asked": LogCloseAskedRecord,
    "log_closed": LogClosedRecord,
}
# What has the same name and meaning on both sides.
_OF_REVIEW: Final = (
    "review_id",
    "plan_digest",
    "policy_revision",
    "cutoff",
    "opened_at",
    "schedule",
    "limits",
    "defaults",
    "overrides",
    "stamped",
    "canary_at",
    "closed_at",
    "why",
    "result",
)
_OF_EXCEPTION: Final = (
    "exception_id",
    "review_id",
    "grant_id",
    "requester",
    "reason",
    "asked_at",
    "expires_at",
    "approver",
    "approved_at",
)
_OF_CLOSING: Final = ("words", "unknown_from", "closed_at")


def content_of(edit: ReviewEdit | ItemsEdit | ExceptionEdit | LogEdit) -> dict[str, Any]:
    """Return the fields of an edit's record."""
    if isinstance(edit, ItemsEdit):
        return {"review_id": edit.review_id, "items": edit.items}
    if isinstance(edit, ReviewEdit):
        review = edit.review
        named = {"review_kind": review.kind, "review_state": review.state, "item_count": review.items}
        return _taken(review, _OF_REVIEW) | named | _account("opener", review.opened_by, "opener")
    if isinstance(edit, LogEdit):
        return {"lost_log": edit.closing.log_id} | _taken(edit.closing, _OF_CLOSING)
    made = edit.exception
    accounts = _account("requester", made.requested_by) | _account("approver", made.approved_by)
    return _taken(made, _OF_EXCEPTION) | {"item_number": made.number} | accounts


def edit_of(
    kind: Any, record: ReviewRecord | ItemsRecord | ExceptionRecord | LogClosingRecord
) -> ReviewEdit | ItemsEdit | ExceptionEdit | LogEdit:
    """Return the edit of this kind that a record describes."""
    if isinstance(record, ItemsRecord):
        return ItemsEdit(kind, record.review_id, record.items)
    if isinstance(record, ReviewRecord):
        opener = EmployeeKey(record.opener_issuer, record.opener)
        named: dict[str, Any] = {
            "kind": record.review_kind,
            "state": record.review_state,
            "items": record.item_count,
            "opened_by": opener,
        }
        return ReviewEdit(kind, Review(**_taken(record, _OF_REVIEW), **named))
    if isinstance(record, LogClosingRecord):
        return LogEdit(kind, LogClosing(record.lost_log, **_taken(record, _OF_CLOSING)))
    accounts: dict[str, Any] = {
        "requested_by": EmployeeKey(record.requester_issuer, record.requester_account),
        "approved_by": EmployeeKey(record.approver_issuer, record.approver_account),
    }
    return ExceptionEdit(kind, ReviewException(**_taken(record, _OF_EXCEPTION), **accounts, number=record.item_number))


def _account(name: str, account: EmployeeKey, subject: str = "") -> dict[str, str]:
    return {f"{name}_issuer": account.issuer, subject or f"{name}_account": account.subject}


def _taken(source: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}
