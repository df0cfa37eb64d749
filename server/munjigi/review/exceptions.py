"""A grant stays for a while although a review would take it: one asks, another approves, it ends, and none follows on it (rule R16)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from munjigi.grants.book import Book
from munjigi.grants.changes import Edit
from munjigi.grants.eligibility import behind
from munjigi.grants.review_edits import LONGEST_EXCEPTION, ExceptionEdit, ItemsEdit
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import ItemVote, Review, ReviewException, ReviewItem, ReviewPlan
from munjigi.review.campaign import looks, planned_item, require_open, touched
from munjigi.review.reviewers import Reviewers, check_reviewer
from munjigi.review.words import typed

EXCEPTED = "EXCEPTED"


class Excepted(NamedTuple):
    """The edits of a step, and the exception afterwards."""

    edits: tuple[Edit, ...]
    exception: ReviewException


def except_item(
    book: Book, review: Review, plan: ReviewPlan, number: int, reason: str, until: int, by: EmployeeKey, exception_id: str
) -> Excepted:
    """Ask that the grant of an item stays until a moment (UTC nanoseconds): whoever may decide it, its holder, or their manager.

    Raises `NotFound`, `InvalidArgument`, `PermissionDenied`, and `FailedPrecondition`: for a grant that had an exception before.
    """
    require_open(review)
    planned, person = planned_item(plan, number), behind(book, by)
    if planned.access is not None:
        raise InvalidArgument(
            "EXCEPTION_OF_GRANTS", "Nothing is taken for an access, so there is no exception; say what you think of it."
        )
    holder = book.holdings.person_of(planned.person_id)
    concerned = (planned.person_id, holder.manager if holder is not None else "")
    if person.person_id not in concerned and person.person_id not in Reviewers(book, review).of(planned):
        raise PermissionDenied(
            "NOT_YOURS_TO_ASK", "An exception is asked for by who may decide the item, who holds it, or their manager."
        )
    if not book.now < until <= book.now + LONGEST_EXCEPTION:
        raise InvalidArgument("EXCEPTION_TOO_LONG", "An exception ends after now and within 90 days; give another end.")
    if any(each.approver for each in looks(book).exceptions(grant_id=planned.grant_id)):
        raise FailedPrecondition(
            "EXCEPTION_CHAINED", "This grant had an exception before; one does not follow another: decide whether it is needed."
        )
    asked = (person.person_id, by, typed(reason), book.now, until)
    made = ReviewException(exception_id, review.review_id, number, planned.grant_id, *asked)
    return Excepted((ExceptionEdit("exception_asked", made),), made)


def approve_exception(book: Book, review: Review, plan: ReviewPlan, exception_id: str, by: EmployeeKey) -> Excepted:
    """Approve an exception, and with it keep the item: somebody else than who asked, who may decide the item.

    Raises `NotFound`, `FailedPrecondition` or `PermissionDenied`.
    """
    require_open(review)
    found = [each for each in looks(book).exceptions(review_id=review.review_id) if each.exception_id == exception_id]
    if not found:
        raise NotFound("EXCEPTION_UNKNOWN", "There is no exception with this id in this review.")
    asked, person = found[0], behind(book, by)
    planned = planned_item(plan, asked.number)
    if person.person_id == asked.requester:
        raise PermissionDenied("SELF_APPROVAL", "A second person approves an exception, not who asked for it.")
    able = Reviewers(book, review).of(planned, second=True)
    check_reviewer(book, planned, person, able)
    if book.now >= asked.expires_at:
        raise FailedPrecondition("EXCEPTION_OVER", "What was asked for has ended meanwhile; ask again.")
    made = replace(asked, approver=person.person_id, approved_by=by, approved_at=book.now)
    item = touched(book, review, [asked.number]).get(asked.number)
    item = item or ReviewItem(review.review_id, asked.number, asked.grant_id)
    vote = ItemVote(person.person_id, *by, able[person.person_id], "keep", asked.reason, book.now)
    kept = replace(item, state="decided", word="keep", votes=(*item.votes, vote), why=EXCEPTED, second=False)
    return Excepted((ExceptionEdit("exception_approved", made), ItemsEdit("items_decided", review.review_id, (kept,))), made)


def excepted(book: Book) -> frozenset[str]:
    """Return the grants that are under an exception now: what a plan leaves alone."""
    return frozenset(each.grant_id for each in looks(book).exceptions() if each.holds(book.now))
