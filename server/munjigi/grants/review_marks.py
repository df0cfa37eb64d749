"""What a review took from a person comes back by a new approval only (rule R19): a mark says so, and every store holds to it."""

from __future__ import annotations

from munjigi.grants.review_edits import ItemsEdit
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.review import Mark, ReviewItem


def marks_after(edit: ItemsEdit) -> tuple[list[Mark], list[Mark]]:
    """Return the marks that an edit puts, each in the place of one for the same person, role and purpose, and those that it takes away.

    One that is taken away is the item's own: a later review's stays.
    """
    put = [
        _mark(item) for item in edit.items if edit.kind == "items_applied" and item.state == "applied" and item.word == "revoke"
    ]
    gone = [_mark(item) for item in edit.items if edit.kind == "items_undone" and item.word == "revoke"]
    return put, gone


def _mark(item: ReviewItem) -> Mark:
    assert item.before is not None  # of an item that was applied; `check_items_edit` holds to it
    what = (item.person_id, item.before.role, item.before.purpose)
    return Mark(*what, item.review_id, item.number, item.grant_id, item.applied_at)


def check_mark(mark: Mark, asked: AccessRequest | None) -> None:
    """Refuse what is given against a mark that stands, unless by a request of afterwards. Raises `FailedPrecondition`."""
    if asked is None or asked.made_at <= mark.at:
        raise FailedPrecondition(
            "REGRANT_WITHOUT_APPROVAL",
            f"Review {mark.review_id} took this role for this purpose from this person; it comes back by a new request: "
            "`munjigi request`, or by undoing the review's item.",
        )


def lifted(mark: Mark, asked: AccessRequest | None) -> Mark:
    """Return a mark that a request has lifted: when the last word on it was given."""
    assert asked is not None  # `check_mark` holds to it
    return mark._replace(lifted_at=asked.votes[-1].at if asked.votes else asked.made_at)
