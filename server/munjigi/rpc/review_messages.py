"""Reviews, items and exceptions as messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, get_args

from munjigi.kernel.review import (
    ItemState,
    PlannedItem,
    Review,
    ReviewException,
    ReviewItem,
    ReviewPlan,
    ReviewState,
    Verdict,
    Word,
)
from munjigi.review.orders import Excess
from munjigi_client._proto.munjigi.v1 import review_pb2 as pb

_STATES: Final[dict[str, Any]] = {name: pb.ReviewState.Value(f"REVIEW_STATE_{name.upper()}") for name in get_args(ReviewState)}
KEPT: Final = "kept"  # an item that stays by the plan's evidence: nobody has to say so
_ITEM_STATES: Final[dict[str, Any]] = {
    name: pb.ReviewItemState.Value(f"REVIEW_ITEM_STATE_{name.upper()}") for name in (*get_args(ItemState), KEPT)
}
_VERDICTS: Final[dict[str, Any]] = {name: pb.ReviewVerdict.Value(f"REVIEW_VERDICT_{name.upper()}") for name in get_args(Verdict)}
_WORDS: Final[dict[str, Any]] = {name: pb.ReviewWord.Value(f"REVIEW_WORD_{name.upper()}") for name in get_args(Word)}
# What a message's number stands for; 0, any, is left out.
STATES: Final[dict[int, Any]] = {number: name for name, number in _STATES.items()}
ITEM_STATES: Final[dict[int, Any]] = {number: name for name, number in _ITEM_STATES.items()}
VERDICTS: Final[dict[int, Any]] = {number: name for name, number in _VERDICTS.items()}
WORDS: Final[dict[int, Any]] = {number: name for name, number in _WORDS.items()}


class Told(NamedTuple):
    """What is said of a review besides itself: its kind's title, its plan, and all items that somebody touched, by number."""

    title: str
    plan: ReviewPlan
    known: Mapping[int, ReviewItem]


def plan_message(plan: ReviewPlan, title: str, digest: str) -> pb.Review:
    """Return what a plan says, as a review that is not opened."""
    verdicts = Counter(item.verdict for item in plan.items)
    message = pb.Review(
        kind=plan.kind,
        title=title,
        plan_digest=digest,
        made_at=plan.made_at,
        window_start=plan.window_start,
        cutoff=plan.cutoff,
        policy_revision=plan.policy_revision,
        grant_revision=plan.grant_revision,
        rules_digest=plan.rules_digest,
        watermarks=[
            pb.ReviewWatermark(log_id=each.log_id, next_index=each.next_index, time=each.time) for each in plan.watermarks
        ],
        replayed=plan.replay.decisions,
        newly_denied_used=plan.replay.newly_denied_used,
        items=len(plan.items),
        verdicts=[pb.ReviewCount(name=name, items=verdicts[name]) for name in get_args(Verdict) if verdicts[name]],
    )
    if plan.sample is not None:
        message.sample.CopyFrom(pb.ReviewSample(**plan.sample._asdict()))
    return message


def review_message(review: Review, told: Told) -> pb.Review:
    """Return a review as it is."""
    message = plan_message(told.plan, told.title, review.plan_digest)
    message.review_id = review.review_id
    message.state = _STATES[review.state]
    message.opened_by = review.opened_by.subject
    message.reason = review.why
    words = Counter(item.word for item in told.known.values())
    states = Counter(state_of(planned, told.known.get(planned.number)) for planned in told.plan.items)
    message.words.extend(pb.ReviewCount(name=name, items=words[name]) for name in get_args(Word) if words[name])
    message.states.extend(pb.ReviewCount(name=name, items=states[name]) for name in _ITEM_STATES if states[name])
    message.apply_from = review.schedule.apply_from
    message.decide_until = review.schedule.default_at
    message.escalate_at = review.schedule.escalate_at
    message.office_at = review.schedule.office_at
    if review.canary_at and review.state == "applying":
        message.continue_from = review.canary_at + review.limits.canary_wait
    message.stamped.extend(review.stamped)
    message.over_caps_by.extend(override.subject for override in review.overrides)
    if review.result is not None:
        message.result.CopyFrom(pb.ReviewResult(**review.result._asdict()))
    return message


def state_of(planned: PlannedItem, item: ReviewItem | None) -> str:
    """Return how far an item came; one that stays by the plan's evidence, and that nobody has touched, is kept."""
    if item is not None:
        return item.state
    return KEPT if planned.verdict == "keep" else "open"


def item_message(
    planned: PlannedItem,
    item: ReviewItem | None,
    review_id: str,
    reviewers: Iterable[str] = (),
    exception: ReviewException | None = None,
) -> pb.ReviewItem:
    """Return an item: what was planned, and what became of it; None: nobody has touched it."""
    message = pb.ReviewItem(
        review_id=review_id,
        number=planned.number,
        grant_id=planned.grant_id,
        grant_digest=planned.grant_digest,
        issuer=planned.employee.issuer,
        employee=planned.employee.subject,
        person_id=planned.person_id,
        role=planned.role,
        purpose=planned.purpose,
        verdict=_VERDICTS[planned.verdict],
        rule=planned.rule,
        used=[
            pb.PermissionUse(
                object=use.permission.object,
                action=use.permission.action,
                first_at=use.first_at,
                last_at=use.last_at,
                uses=use.uses,
                days=use.days,
                members=use.members,
            )
            for use in planned.evidence.used
        ],
        unused=[pb.UnusedPermission(object=each.object, action=each.action) for each in planned.evidence.unused],
        threshold_days=planned.threshold_days,
        scope_objects=planned.scope.objects if planned.scope is not None else (),
        scope_actions=planned.scope.actions if planned.scope is not None else (),
        data_class=planned.data_class,
        state=_ITEM_STATES[state_of(planned, item)] if review_id else pb.REVIEW_ITEM_STATE_UNSPECIFIED,
        reviewers=reviewers,
    )
    if planned.access is not None:
        message.access.CopyFrom(pb.LookedAtAccess(**planned.access._asdict()))
    if item is not None:
        message.note = item.why
        message.second = item.second
        if item.word:
            message.word = _WORDS[item.word]
        if item.votes and item.word:
            last = item.votes[-1]
            message.reason, message.decided_by, message.decided_at = last.reason, last.subject, last.at
    if exception is not None:
        message.exception.CopyFrom(exception_message(exception))
    return message


def exception_message(exception: ReviewException) -> pb.ReviewException:
    """Return an exception."""
    return pb.ReviewException(
        exception_id=exception.exception_id,
        review_id=exception.review_id,
        number=exception.number,
        grant_id=exception.grant_id,
        reason=exception.reason,
        requested_by=exception.requested_by.subject,
        asked_at=exception.asked_at,
        expires_at=exception.expires_at,
        approved_by=exception.approved_by.subject,
        approved_at=exception.approved_at,
    )


def excess_messages(points: Iterable[Excess]) -> list[pb.ExcessPoint]:
    """Return the excess over time."""
    return [pb.ExcessPoint(**_fields(point)) for point in points]


def _fields(point: Excess) -> Mapping[str, int]:
    return point._asdict()
