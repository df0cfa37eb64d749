"""Reviews as the client gives them back: what was planned of each grant, who decides, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls
from munjigi_client._proto.munjigi.v1 import review_pb2 as pb

ReviewState = Literal["open", "applying", "applied", "stopped", "undone"]
ReviewItemState = Literal["open", "decided", "applied", "spared", "skipped", "undone", "kept"]
ReviewVerdict = Literal["keep", "reduce", "revoke", "ask"]
ReviewWord = Literal["keep", "reduce", "revoke", "suspend", "ok", "suspicious"]

REVIEW_STATES: Final[dict[str, int]] = {
    name: pb.ReviewState.Value(f"REVIEW_STATE_{name.upper()}") for name in get_args(ReviewState)
}
ITEM_STATES: Final[dict[str, int]] = {
    name: pb.ReviewItemState.Value(f"REVIEW_ITEM_STATE_{name.upper()}") for name in get_args(ReviewItemState)
}
VERDICTS: Final[dict[str, int]] = {
    name: pb.ReviewVerdict.Value(f"REVIEW_VERDICT_{name.upper()}") for name in get_args(ReviewVerdict)
}
WORDS: Final[dict[str, int]] = {name: pb.ReviewWord.Value(f"REVIEW_WORD_{name.upper()}") for name in get_args(ReviewWord)}
_STATE_NAMES: Final = {number: name for name, number in REVIEW_STATES.items()}
_ITEM_STATE_NAMES: Final = {number: name for name, number in ITEM_STATES.items()}
_VERDICT_NAMES: Final = {number: name for name, number in VERDICTS.items()}
_WORD_NAMES: Final = {number: name for name, number in WORDS.items()}


@dataclass(frozen=True, slots=True)
class PermissionUse:
    """How one permission was used: first and last time (UTC nanoseconds), confirmed reads, distinct days and members."""

    object: str
    action: str
    first_at: int
    last_at: int
    uses: int
    days: int
    members: int


@dataclass(frozen=True, slots=True)
class ReviewException:
    """A grant stays until `expires_at` although a review would take it, once somebody approved. Times are UTC nanoseconds since 1970."""

    exception_id: str
    review_id: str
    number: int
    grant_id: str
    reason: str
    requested_by: str
    asked_at: int
    expires_at: int
    approved_by: str
    approved_at: int


@dataclass(frozen=True, slots=True)
class LookedAt:
    """A recorded access that is looked at: when (UTC nanoseconds since 1970), what, for which case, of how many members.

    `read`: it was confirmed that something was read, `rows` how much. `members` is 0 where it is not known.
    """

    record_id: str
    at: int
    tool: str
    action: str
    resource: str
    fields: tuple[str, ...]
    case_id: str
    members: int
    read: bool
    rows: int


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One grant in a review, or one `access`: what is a grant's own is empty then.

    `verdict` is proposed, by `rule`; `word` was decided, empty until then.
    `used` is what was used of it, `unused` (object and action) what was not. Of `reduce`, `scope_objects` and `scope_actions` are
    what it leaves. Times are UTC nanoseconds since 1970. `note` says why it was spared or skipped. `reviewers` may decide it now.
    """

    review_id: str
    number: int
    grant_id: str
    issuer: str
    employee: str
    person_id: str
    role: str
    purpose: str
    verdict: str
    rule: str
    used: tuple[PermissionUse, ...]
    unused: tuple[tuple[str, str], ...]
    threshold_days: int
    scope_objects: tuple[str, ...]
    scope_actions: tuple[str, ...]
    data_class: str
    state: str
    word: str
    reason: str
    decided_by: str
    decided_at: int
    note: str
    reviewers: tuple[str, ...]
    second: bool
    exception: ReviewException | None
    access: LookedAt | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """A review. `plan_digest` names what was planned: words are on what was read.

    Times are UTC nanoseconds since 1970. `verdicts`, `words` and `states` count its items by name.
    """

    review_id: str
    kind: str
    title: str
    state: str
    plan_digest: str
    made_at: int
    window_start: int
    cutoff: int
    policy_revision: str
    grant_revision: int
    replayed: int
    newly_denied_used: tuple[str, ...]
    items: int
    verdicts: dict[str, int]
    words: dict[str, int]
    states: dict[str, int]
    apply_from: int
    decide_until: int
    continue_from: int
    opened_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Excess:
    """What would have gone by a plan of a moment (UTC nanoseconds): grants, and permissions that were held and not used."""

    at: int
    grants: int
    revoke: int
    reduce: int
    permissions: int
    unused: int


@dataclass(frozen=True, slots=True)
class Planned:
    """A review that is open now, or of a trial (no `record_id`), what would be planned: its items, and the excess over time."""

    review: Review
    items: tuple[ReviewItem, ...]
    excess: tuple[Excess, ...]
    record_id: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What one call applied or gave back, and how many items it left as they are. `more`: call again, at once.

    `waited` is how long it took until it was true everywhere, in seconds.
    """

    review: Review
    done: int
    left: int
    more: bool
    record_id: str
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class LogClosing:
    """What was said of a log that is lost: by whom (subjects), and whether it is `closed`, by a second person, or waits for one.

    What was used by it in [unknown_from, closed_at) is unknown then (UTC nanoseconds since 1970; an `unknown_from` of 0: from its beginning on).
    """

    log_id: str
    closed: bool
    said_by: tuple[str, ...]
    unknown_from: int
    closed_at: int
    record_id: str


def item_from(each: pb.ReviewItem) -> ReviewItem:
    """Read an item. A verdict or state of a later server reads as `ask`, and as `open`."""
    return ReviewItem(
        each.review_id,
        each.number,
        each.grant_id,
        each.issuer,
        each.employee,
        each.person_id,
        each.role,
        each.purpose,
        _VERDICT_NAMES.get(each.verdict, "ask"),
        each.rule,
        tuple(
            PermissionUse(use.object, use.action, use.first_at, use.last_at, use.uses, use.days, use.members) for use in each.used
        ),
        tuple((permission.object, permission.action) for permission in each.unused),
        each.threshold_days,
        tuple(each.scope_objects),
        tuple(each.scope_actions),
        each.data_class,
        _ITEM_STATE_NAMES.get(each.state, "open"),
        _WORD_NAMES.get(each.word, ""),
        each.reason,
        each.decided_by,
        each.decided_at,
        each.note,
        tuple(each.reviewers),
        each.second,
        exception_from(each.exception) if each.HasField("exception") else None,
        access_from(each.access) if each.HasField("access") else None,
    )


def access_from(each: pb.LookedAtAccess) -> LookedAt:
    """Read an access that is looked at."""
    return LookedAt(
        each.record_id,
        each.at,
        each.tool,
        each.action,
        each.resource,
        tuple(each.fields),
        each.case_id,
        each.members,
        each.read,
        each.rows,
    )


def exception_from(each: pb.ReviewException) -> ReviewException:
    """Read an exception."""
    return ReviewException(
        each.exception_id,
        each.review_id,
        each.number,
        each.grant_id,
        each.reason,
        each.requested_by,
        each.asked_at,
        each.expires_at,
        each.approved_by,
        each.approved_at,
    )


def review_from(each: pb.Review) -> Review:
    """Read a review."""
    return Review(
        each.review_id,
        each.kind,
        each.title,
        _STATE_NAMES.get(each.state, "open"),
        each.plan_digest,
        each.made_at,
        each.window_start,
        each.cutoff,
        each.policy_revision,
        each.grant_revision,
        each.replayed,
        tuple(each.newly_denied_used),
        each.items,
        {count.name: count.items for count in each.verdicts},
        {count.name: count.items for count in each.words},
        {count.name: count.items for count in each.states},
        each.apply_from,
        each.decide_until,
        each.continue_from,
        each.opened_by,
        each.reason,
    )


def planned_from(answer: calls.PlanReviewResponse) -> Planned:
    """Read the answer to PlanReview."""
    return Planned(
        review_from(answer.review),
        tuple(item_from(each) for each in answer.items),
        tuple(
            Excess(point.at, point.grants, point.revoke, point.reduce, point.permissions, point.unused) for point in answer.excess
        ),
        answer.record_id,
    )


def applied_from(answer: calls.ApplyReviewResponse) -> Progress:
    """Read the answer to ApplyReview."""
    waited = answer.acknowledgement.waited / 1e9
    return Progress(review_from(answer.review), answer.applied, answer.left, answer.more, answer.record_id, waited)


def undone_from(answer: calls.UndoReviewResponse) -> Progress:
    """Read the answer to UndoReview."""
    return Progress(review_from(answer.review), answer.undone, len(answer.left), answer.more, answer.record_id)


def closing_from(log_id: str, answer: calls.CloseLogResponse) -> LogClosing:
    """Read the answer to CloseLog."""
    return LogClosing(log_id, answer.closed, tuple(answer.said_by), answer.unknown_from, answer.closed_at, answer.record_id)
