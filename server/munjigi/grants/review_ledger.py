"""Reviews in memory, as a fold over changes: what the ledger of grants asks them, and what they keep."""

from __future__ import annotations

from collections.abc import Callable

from munjigi.grants.changes import GrantEdit
from munjigi.grants.log_edits import LogEdit, check_log_edit
from munjigi.grants.review_edits import (
    ExceptionEdit,
    ItemsEdit,
    ReviewEdit,
    ReviewsState,
    check_exception_edit,
    check_items_edit,
    check_review_edit,
)
from munjigi.grants.review_marks import check_mark, lifted, marks_after
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.grant import Grant
from munjigi.kernel.review import LogClosing, Mark, Review, ReviewException, ReviewItem


class ReviewLedger:
    """Reviews, touched items, exceptions, marks and closed logs at the revision reached so far."""

    __slots__ = ("_closings", "_exceptions", "_items", "_marks", "_reviews", "_taken")

    def __init__(self) -> None:
        self._reviews: dict[str, Review] = {}
        self._items: dict[tuple[str, int], ReviewItem] = {}
        self._exceptions: dict[str, ReviewException] = {}
        self._marks: dict[tuple[str, str, str], Mark] = {}
        self._closings: dict[str, LogClosing] = {}
        self._taken: dict[str, dict[tuple[str, int], Grant]] = {}  # grant id -> by item, the grant before

    def copy(self) -> ReviewLedger:
        """Return an independent one with the same content."""
        other = ReviewLedger()
        other._reviews, other._items, other._exceptions = dict(self._reviews), dict(self._items), dict(self._exceptions)
        other._marks, other._taken = dict(self._marks), {key: dict(each) for key, each in self._taken.items()}
        other._closings = dict(self._closings)
        return other

    def state(self) -> ReviewsState:
        """Return everything in its stable order."""
        return ReviewsState(
            [self._reviews[key] for key in sorted(self._reviews)],
            [self._items[key] for key in sorted(self._items)],
            [self._exceptions[key] for key in sorted(self._exceptions)],
            [self._marks[key] for key in sorted(self._marks)],
            [self._closings[key] for key in sorted(self._closings)],
        )

    def apply(self, edit: ReviewEdit | ItemsEdit | ExceptionEdit | LogEdit) -> None:
        """Take one edit. Raises what the rules of `review_edits.py` and `log_edits.py` raise."""
        if isinstance(edit, ReviewEdit):
            review = edit.review
            others = (each for each in self._reviews.values() if each.kind == review.kind and each.running)
            running = next((each.review_id for each in others if each.review_id != review.review_id), "")
            check_review_edit(edit, self._reviews.get(review.review_id), running)
            self._reviews[review.review_id] = review
        elif isinstance(edit, ItemsEdit):
            self._apply_items(edit)
        elif isinstance(edit, LogEdit):
            check_log_edit(edit, self._closings.get(edit.closing.log_id))
            self._closings[edit.closing.log_id] = edit.closing
        else:
            made = edit.exception
            others_of = (each for each in self._exceptions.values() if each.grant_id == made.grant_id and each.approver)
            earlier = any(each.exception_id != made.exception_id for each in others_of)
            before = self._exceptions.get(made.exception_id)
            check_exception_edit(edit, before, self._reviews.get(made.review_id), earlier=earlier)
            self._exceptions[made.exception_id] = made

    def taken(self, grant_id: str) -> list[Grant]:
        """Return a grant as it was before each review that took of it, and was not undone."""
        return list(self._taken.get(grant_id, {}).values())

    def check_given(self, edit: GrantEdit, person_id: str, request: Callable[[str], AccessRequest | None]) -> None:
        """Refuse to give what a review took without a new approval, and note one. Raises `FailedPrecondition`."""
        key = (person_id, edit.grant.role, edit.grant.purpose)
        mark = self._marks.get(key)
        if mark is None or mark.lifted_at:
            return
        asked = request(edit.grant.access_request_id) if edit.grant.access_request_id else None
        check_mark(mark, asked)
        if not edit.grant.break_glass:
            self._marks[key] = lifted(mark, asked)

    def _apply_items(self, edit: ItemsEdit) -> None:
        before = {each.number: self._items.get((edit.review_id, each.number)) for each in edit.items}
        known = {number: item for number, item in before.items() if item is not None}
        check_items_edit(edit, self._reviews.get(edit.review_id), known)
        for item in edit.items:
            key = (item.review_id, item.number)
            self._items[key] = item
            if item.before is not None:
                of_grant = self._taken.setdefault(item.grant_id, {})
                if item.state == "applied":
                    of_grant[key] = item.before
                else:
                    of_grant.pop(key, None)
        put, gone = marks_after(edit)
        for mark in gone:
            if (there := self._marks.get(mark[:3])) is not None and there[3:5] == mark[3:5]:
                del self._marks[mark[:3]]
        self._marks |= {mark[:3]: mark for mark in put}
