"""A change of a review is valid before any store writes it: the lives of a review and of its items as tables, one set of rules for all.

    open --apply--> applying --apply--> applied --undo--> undone        item: open --decide--> decided --apply--> applied --undo--> undone
      `--stop-->  stopped  <--stop--'   stopped --undo--> undone                ^---reroute------'  `-----------> spared, skipped

A plan is kept by its digest before its review is opened; it is no change, so it has no record: the review's record names the digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal, NamedTuple

from munjigi.grants.storable import check_storable
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from munjigi.kernel.ids import ID
from munjigi.kernel.review import LOOKED_AT, ItemState, LogClosing, Mark, Review, ReviewException, ReviewItem, ReviewState

ReviewChange = Literal["review_opened", "review_changed", "review_closed"]
ItemsChange = Literal["items_decided", "items_rerouted", "items_applied", "items_undone"]
ExceptionChange = Literal["exception_asked", "exception_approved"]
ReviewEvent = Literal["note", "apply", "stop", "undo"]
MOST_ITEMS: Final = 100  # of one edit, so that a record stays small
LONGEST_EXCEPTION: Final = 90 * 86_400 * SECOND  # REVIEW rule R16

REVIEW: Final[dict[tuple[ReviewState, ReviewEvent], tuple[ReviewState, ...]]] = {
    ("open", "note"): ("open",),
    ("open", "apply"): ("applying", "applied"),
    ("open", "stop"): ("stopped",),
    ("applying", "note"): ("applying",),
    ("applying", "apply"): ("applying", "applied"),
    ("applying", "stop"): ("stopped",),
    ("applied", "undo"): ("applied", "undone"),
    ("stopped", "undo"): ("stopped", "undone"),
}
# What a change of items does: in which states of the review, and from which state of an item to which.
ITEM: Final[dict[ItemsChange, tuple[frozenset[ReviewState], dict[ItemState, tuple[ItemState, ...]]]]] = {
    "items_decided": (frozenset(("open",)), {"open": ("decided",), "decided": ("decided",)}),
    "items_rerouted": (frozenset(("open",)), {"decided": ("open",)}),
    "items_applied": (frozenset(("applying",)), {"decided": ("applied", "spared", "skipped")}),
    "items_undone": (frozenset(("applied", "stopped")), {"applied": ("undone",)}),
}


class ReviewEdit(NamedTuple):
    """A review was opened, noted something or went on, or is over. `review` is the whole review afterwards."""

    kind: ReviewChange
    review: Review


class ItemsEdit(NamedTuple):
    """At most `MOST_ITEMS` items of one review were decided, sent to others, applied or undone. `items` are as they are afterwards."""

    kind: ItemsChange
    review_id: str
    items: tuple[ReviewItem, ...]


class ExceptionEdit(NamedTuple):
    """An exception was asked for, or approved by a second person. `exception` is the whole exception afterwards."""

    kind: ExceptionChange
    exception: ReviewException


class ReviewsState(NamedTuple):
    """All reviews at one revision, each list in order of its key: items that somebody touched, by review and number."""

    reviews: list[Review]
    items: list[ReviewItem]
    exceptions: list[ReviewException]
    marks: list[Mark]
    closings: list[LogClosing]


NO_REVIEWS: Final = ReviewsState([], [], [], [], [])


def check_review_edit(edit: ReviewEdit, before: Review | None, running: str) -> None:
    """Refuse a step that a review's life does not have, or one that touches what it was opened with.

    `running` is the id of another review of its kind that is not over, or empty. Raises `InvalidArgument`, `NotFound` or
    `FailedPrecondition`.
    """
    review = edit.review
    words = (text for each in review.overrides for text in (each.person_id, each.issuer, each.subject, each.reason))
    found = review.result.digest if review.result is not None else ""
    texts = (
        review.kind,
        review.plan_digest,
        review.policy_revision,
        review.why,
        found,
        *review.opened_by,
        *review.stamped,
        *words,
    )
    schedule = review.schedule
    times = (review.cutoff, review.opened_at, review.canary_at, review.closed_at, *(each.at for each in review.overrides))
    at = (schedule.apply_from, *schedule.remind_at, schedule.escalate_at, schedule.office_at, schedule.default_at)
    check_storable(texts, (*times, *at, review.limits.canary_wait))
    if ID.match(review.review_id) is None:
        raise InvalidArgument("REVIEW_ID_INVALID", "A review id is 1 to 64 of A-Z a-z 0-9 . _ -")
    if edit.kind == "review_opened":
        if before is not None:
            raise FailedPrecondition("REVIEW_EXISTS", "A review with this id exists; choose a new id.")
        if (review.state, review.overrides, review.stamped, review.canary_at) != ("open", (), (), 0):
            raise InvalidArgument("REVIEW_STATE", "A review begins open, with nothing applied.")
        if running:
            raise FailedPrecondition(
                "REVIEW_RUNNING", f"Review {running} of this kind is not over; apply or stop it, then plan the next one."
            )
        return
    if before is None:
        raise review_unknown()
    if _fixed(review) != _fixed(before) or review.overrides[: len(before.overrides)] != before.overrides:
        raise FailedPrecondition("REVIEW_FIXED", "What a review was opened with never changes; stop it and plan another one.")
    follow = {after for (state, _), states in REVIEW.items() if state == before.state for after in states}
    if review.state not in follow or review.running == (edit.kind == "review_closed"):
        raise FailedPrecondition("REVIEW_STATE", f"The review is {before.state}, so this can't be done to it.")


def check_items_edit(edit: ItemsEdit, review: Review | None, before: Mapping[int, ReviewItem]) -> None:
    """Refuse a step that an item's life does not have. `before` are those of the items that somebody touched, by number.

    Raises `InvalidArgument`, `NotFound` or `FailedPrecondition`.
    """
    if review is None:
        raise review_unknown()
    allowed, steps = ITEM[edit.kind]
    if review.state not in allowed:
        raise FailedPrecondition("REVIEW_STATE", f"The review is {review.state}, so this can't be done to it.")
    if not 0 < len(edit.items) <= MOST_ITEMS or len({each.number for each in edit.items}) != len(edit.items):
        raise InvalidArgument("ITEMS_INVALID", f"One change is of 1 to {MOST_ITEMS} different items.")
    for item in edit.items:
        old = before.get(item.number) or ReviewItem(item.review_id, item.number, item.grant_id, record_id=item.record_id)
        votes = (text for vote in item.votes for text in vote[:6])
        check_storable((item.why, item.person_id, *votes), (item.applied_at, item.undone_at, *(vote.at for vote in item.votes)))
        if item.review_id != edit.review_id or not 0 <= item.number < review.items or not _is_of_one(item):
            raise NotFound("ITEM_UNKNOWN", "The review has no such item; `munjigi review show` lists them.")
        if (item.grant_id, item.record_id) != (old.grant_id, old.record_id) or item.votes[: len(old.votes)] != old.votes:
            raise FailedPrecondition("ITEM_FIXED", "An item keeps its grant, and whose word it had; decide it anew.")
        if item.state not in steps.get(old.state, ()):
            raise FailedPrecondition("ITEM_STATE", f"The item is {old.state}, so this can't be done to it; look at it again.")
        if (item.word in LOOKED_AT) != bool(item.record_id and item.word):
            raise InvalidArgument(
                "WORD_INVALID", "An access is ok or suspicious; a grant is kept, reduced, revoked or suspended."
            )
        took = item.state in ("applied", "undone")
        if (item.word == "") == (item.state != "open") or took != (item.before is not None) or took != bool(item.person_id):
            raise InvalidArgument("ITEM_INCOMPLETE", "A decided item has a word, and one of which something was taken says what.")


def check_exception_edit(edit: ExceptionEdit, before: ReviewException | None, review: Review | None, *, earlier: bool) -> None:
    """Refuse an exception that is too long, approved by who asked for it, or follows on an `earlier` one for the same grant.

    Raises `InvalidArgument`, `NotFound` or `FailedPrecondition`.
    """
    made = edit.exception
    names = (made.requester, made.approver, *made.requested_by, *made.approved_by)
    check_storable((made.reason, *names), (made.asked_at, made.expires_at, made.approved_at))
    if any(ID.match(each) is None for each in (made.exception_id, made.grant_id, made.requester)):
        raise InvalidArgument("EXCEPTION_ID_INVALID", "Ids of exceptions, grants and people are 1 to 64 of A-Z a-z 0-9 . _ -")
    if review is None:
        raise review_unknown()
    if not made.asked_at < made.expires_at <= made.asked_at + LONGEST_EXCEPTION:
        raise InvalidArgument("EXCEPTION_TOO_LONG", "An exception ends within 90 days; give an earlier end.")
    if earlier:
        raise FailedPrecondition(
            "EXCEPTION_CHAINED", "This grant had an exception before; one does not follow another: decide whether it is needed."
        )
    if edit.kind == "exception_asked":
        if before is not None:
            raise FailedPrecondition("EXCEPTION_EXISTS", "An exception with this id exists; choose a new id.")
        if made.approver or made.approved_at:
            raise InvalidArgument("EXCEPTION_STATE", "An exception begins unapproved.")
        return
    if before is None:
        raise NotFound("EXCEPTION_UNKNOWN", "There is no exception with this id.")
    if before.approver:
        raise FailedPrecondition("EXCEPTION_APPROVED", "This exception is approved.")
    if replace(made, approver="", approved_by=before.approved_by, approved_at=0) != before:
        raise FailedPrecondition("EXCEPTION_FIXED", "What was asked for never changes; ask for another exception.")
    if ID.match(made.approver) is None or made.approver == made.requester or made.approved_at >= made.expires_at:
        raise FailedPrecondition("EXCEPTION_STATE", "An exception is approved by a second person, before it ends.")


def review_unknown() -> NotFound:
    """Return the error that says so."""
    return NotFound("REVIEW_UNKNOWN", "There is no review with this id; `munjigi review list` lists them.")


def _is_of_one(item: ReviewItem) -> bool:
    """Tell whether an item names one grant, or one record of an access."""
    named = [each for each in (item.grant_id, item.record_id) if each]
    return len(named) == 1 and ID.match(named[0]) is not None


def _fixed(review: Review) -> tuple[object, ...]:
    plan = (review.kind, review.plan_digest, review.items, review.policy_revision, review.cutoff)
    return (*plan, review.opened_at, review.opened_by, review.schedule, review.limits, review.defaults)
