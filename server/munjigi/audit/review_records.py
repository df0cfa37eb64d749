"""Review records: what was reviewed on which plan, whose word stood on each grant, and what was taken and given back (ISMS-P 2.5.6)."""

from __future__ import annotations

import msgspec

from munjigi.audit.permission_records import PermissionRecord
from munjigi.audit.record import Record
from munjigi.kernel.review import Default, Limits, Override, Result, ReviewItem, ReviewState, Schedule


class ReviewRecord(PermissionRecord, kw_only=True, omit_defaults=True):
    """A whole review, as it is after the change."""

    review_id: str
    review_kind: str
    review_state: ReviewState = "open"
    plan_digest: str
    item_count: int = 0
    policy_revision: str
    cutoff: int
    opened_at: int
    opener_issuer: str = ""
    opener: str = ""
    schedule: Schedule
    limits: Limits
    defaults: tuple[Default, ...] = ()
    overrides: tuple[Override, ...] = ()
    stamped: tuple[str, ...] = ()
    canary_at: int = 0
    closed_at: int = 0
    why: str = ""
    result: Result | None = None


class ReviewOpenedRecord(ReviewRecord, kw_only=True, omit_defaults=True, tag="review.opened"):
    """A review was opened on a plan: people decide."""


class ReviewChangedRecord(ReviewRecord, kw_only=True, omit_defaults=True, tag="review.changed"):
    """A review began to be applied, its first share was complete, somebody lifted its caps, or somebody's words were taken for a rubber stamp."""


class ReviewClosedRecord(ReviewRecord, kw_only=True, omit_defaults=True, tag="review.closed"):
    """A review was applied to the end, stopped, or undone."""


class ItemsRecord(PermissionRecord, kw_only=True, omit_defaults=True):
    """Some items of a review, each as it is after the change."""

    review_id: str
    items: tuple[ReviewItem, ...]


class ItemsDecidedRecord(ItemsRecord, kw_only=True, omit_defaults=True, tag="review.decided"):
    """Somebody decided items, or what nobody decided in time came to its default."""


class ItemsReroutedRecord(ItemsRecord, kw_only=True, omit_defaults=True, tag="review.rerouted"):
    """Others have to look again at items that somebody decided too fast or too much alike."""


class ItemsAppliedRecord(ItemsRecord, kw_only=True, omit_defaults=True, tag="review.applied"):
    """What was decided of items was done, or was not, for the reason that each says; the grants' own records lie before this one."""


class ItemsUndoneRecord(ItemsRecord, kw_only=True, omit_defaults=True, tag="review.undone"):
    """What was taken was given back; the grants' own records lie before this one."""


class ExceptionRecord(PermissionRecord, kw_only=True, omit_defaults=True):
    """A whole exception, as it is after the change."""

    exception_id: str
    review_id: str
    item_number: int = 0
    grant_id: str
    requester: str
    requester_issuer: str = ""
    requester_account: str = ""
    reason: str
    asked_at: int
    expires_at: int
    approver: str = ""
    approver_issuer: str = ""
    approver_account: str = ""
    approved_at: int = 0


class ExceptionAskedRecord(ExceptionRecord, kw_only=True, omit_defaults=True, tag="review.exception_asked"):
    """Somebody asked that a grant stay although the review would take it."""


class ExceptionApprovedRecord(ExceptionRecord, kw_only=True, omit_defaults=True, tag="review.exception_approved"):
    """A second person approved an exception."""


class LogClosingRecord(PermissionRecord, kw_only=True, omit_defaults=True):
    """What two people say of a log that is lost, as it is after the change."""

    lost_log: str
    words: tuple[Override, ...]
    unknown_from: int
    closed_at: int = 0


class LogCloseAskedRecord(LogClosingRecord, kw_only=True, omit_defaults=True, tag="review.log_close_asked"):
    """Somebody asked that reviews wait no longer for a log that is lost."""


class LogClosedRecord(LogClosingRecord, kw_only=True, omit_defaults=True, tag="review.log_closed"):
    """A second person closed a log for reviews: what was used by it since `unknown_from` nobody will know, and nothing is taken over that."""


class ReportFile(msgspec.Struct, frozen=True):
    """A file of a report: its name, and the SHA-256 of its bytes, hex."""

    name: str
    sha256: str


class ReviewReportRecord(Record, kw_only=True, omit_defaults=True, tag="review.report"):
    """Somebody made a report of a review: a page with one of these digests is that report."""

    issuer: str
    employee: str
    request_id: str = ""
    review_id: str
    report_files: tuple[ReportFile, ...]
