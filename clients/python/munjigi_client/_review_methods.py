"""What the client for threads asks of ReviewService: reviews are planned, decided, applied, undone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import Message

from munjigi_client import _reviews_asking as asking
from munjigi_client._reviews import (
    LogClosing,
    Planned,
    Progress,
    Review,
    ReviewException,
    ReviewItem,
    ReviewItemState,
    ReviewState,
    ReviewVerdict,
    ReviewWord,
    applied_from,
    closing_from,
    exception_from,
    item_from,
    planned_from,
    review_from,
    undone_from,
)
from munjigi_client._rights_asking import ACKNOWLEDGED


class ReviewMethods(ABC):
    """Methods of `Client`. A change without `request_id` gets one, so that a call that is sent again is one change."""

    @abstractmethod
    def call(self, request: Message, *, timeout: float | None = None) -> Any:
        """Send a request message and return its response message."""

    def plan_review(
        self,
        kind: str,
        *,
        dry_run: bool = False,
        as_of: int = 0,
        unused_days: int = 0,
        months: int = 0,
        request_id: str = "",
        timeout: float = asking.PLANNED,
    ) -> Planned:
        """Plan a review of a kind (a row of reviews.toml) and open it; with `dry_run` only tell what would be planned.

        A trial may be `as_of` a moment (UTC nanoseconds), with another threshold for all (`unused_days`), and tell the excess of so many
        `months` before. Raises `NotNow`: `USAGE_GAP` where it is not known what was used, `REVIEW_RUNNING` while another is open.
        """
        named = {"dry_run": dry_run, "as_of": as_of, "unused_days": unused_days, "months": months, "request_id": request_id}
        return planned_from(self.call(asking.plan(kind, **named), timeout=timeout))

    def review(self, review_id: str, *, timeout: float | None = None) -> Review:
        """Return one review as it is now. Raises `NotFound`, and `NotPermitted` for one that does not concern the employee."""
        return review_from(self.call(asking.one(review_id), timeout=timeout).review)

    def reviews(
        self, *, kind: str = "", state: ReviewState | None = None, everyone: bool = False, timeout: float | None = None
    ) -> Iterator[Review]:
        """Iterate over reviews, newest first, page by page: those in which the employee may decide something now, or everyone's."""
        page = ""
        while True:
            answer = self.call(asking.page(kind, state or "", page, everyone=everyone), timeout=timeout)
            for each in answer.reviews:
                yield review_from(each)
            page = answer.next_page_token
            if not page:
                return

    def review_items(
        self,
        review_id: str,
        *,
        to_decide: bool = False,
        verdict: ReviewVerdict | None = None,
        state: ReviewItemState | None = None,
        employee: str = "",
        timeout: float | None = None,
    ) -> Iterator[ReviewItem]:
        """Iterate over a review's items by number, page by page: all, or those that the employee may decide now."""
        page = ""
        filters = {"to_decide": to_decide, "verdict": verdict or "", "state": state or "", "employee": employee}
        while True:
            answer = self.call(asking.items_page(review_id, page, **filters), timeout=timeout)
            for each in answer.items:
                yield item_from(each)
            page = answer.next_page_token
            if not page:
                return

    def decide_items(
        self,
        review: Review,
        numbers: Iterable[int],
        word: ReviewWord,
        *,
        reason: str = "",
        request_id: str = "",
        timeout: float | None = None,
    ) -> tuple[ReviewItem, ...]:
        """Decide up to 1,000 items of a review as it was read, all or none; a word that is not the plan's needs a reason.

        Raises `NotPermitted` for an item that the employee may not decide, and `NotNow` for one that is decided already.
        """
        answer = self.call(asking.words(review, numbers, word, reason, request_id), timeout=timeout)
        return tuple(item_from(each) for each in answer.items)

    def request_exception(
        self,
        review_id: str,
        number: int,
        *,
        reason: str,
        expires_at: int,
        request_id: str = "",
        timeout: float | None = None,
    ) -> ReviewException:
        """Ask that a grant stays until `expires_at` (UTC nanoseconds, 90 days at most) although the review would take it."""
        return exception_from(
            self.call(asking.exception(review_id, number, reason, expires_at, request_id), timeout=timeout).exception
        )

    def approve_exception(self, exception_id: str, *, request_id: str = "", timeout: float | None = None) -> ReviewException:
        """Approve an exception that somebody else asked for."""
        return exception_from(self.call(asking.approval(exception_id, request_id), timeout=timeout).exception)

    def apply_review(
        self, review: Review, *, over_caps: str = "", request_id: str = "", timeout: float = ACKNOWLEDGED
    ) -> Progress:
        """Apply a bounded number of what was decided; call again while `more`. When this returns, it is true everywhere.

        `over_caps` says why it may go beyond its caps, which a second person has to say, too. Raises `NotNow` with the reason why it
        can't be: it is too early, policy has moved, the caps would be exceeded.
        """
        return applied_from(self.call(asking.application(review, over_caps, request_id), timeout=timeout))

    def stop_review(self, review_id: str, *, reason: str, request_id: str = "", timeout: float | None = None) -> Review:
        """Stop a review; what was applied stands unless it is undone."""
        return review_from(self.call(asking.stop(review_id, reason, request_id), timeout=timeout).review)

    def close_log(self, log_id: str, *, reason: str, request_id: str = "", timeout: float | None = None) -> LogClosing:
        """Say that a log is lost for good; when a second person has said so, reviews wait for it no longer.

        What was used by it since it was last counted is unknown then, and what may have been used in that time stays.
        """
        return closing_from(log_id, self.call(asking.closing(log_id, reason, request_id), timeout=timeout))

    def undo_review(
        self,
        review_id: str,
        *,
        reason: str,
        numbers: Iterable[int] = (),
        request_id: str = "",
        timeout: float = ACKNOWLEDGED,
    ) -> Progress:
        """Give back what a review took away, all or these items; call again while `more`. Once more, it changes nothing."""
        return undone_from(self.call(asking.undo(review_id, numbers, reason, request_id), timeout=timeout))
