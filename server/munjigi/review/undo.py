"""What a review took is given back: exactly as it was, item by item or the whole run, and what changed since is kept (rule R18).

A grant that a review ended goes on under its own id, by the one event that may bring back what is over (`restore`), and the store
holds it against what the review's item says it was. A new grant in its place would be another right: without its history of use,
fresh to the next review, and not the tuple that was taken. An item that is given back can't be given back again, so that doing the
same twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from munjigi.grants.book import Book
from munjigi.grants.changes import Edit, GrantEdit
from munjigi.grants.deciders import edits_policy
from munjigi.grants.eligibility import Wish, behind, check_holding
from munjigi.grants.lifecycle import over
from munjigi.grants.review_edits import MOST_ITEMS, ItemsEdit, ReviewEdit
from munjigi.grants.review_ports import ItemFilter
from munjigi.kernel.errors import FailedPrecondition, PermissionDenied
from munjigi.kernel.grant import Grant
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import PlannedItem, Review, ReviewItem, ReviewPlan
from munjigi.review.campaign import chunks, looks, planned_item, touched

METHOD: Final = "review"
_PAGE: Final = 1000  # items


class Undone(NamedTuple):
    """One commit of an undoing: its edits, the review afterwards, and the items that were given back.

    `kept` says by item number why an item stays as it is. `more`: another commit can follow.
    """

    edits: tuple[Edit, ...]
    review: Review
    items: tuple[ReviewItem, ...]
    kept: Mapping[int, str]
    more: bool = False


def undo(
    book: Book,
    review: Review,
    plan: ReviewPlan,
    numbers: Iterable[int] | None = None,
    by: EmployeeKey | None = None,
    most: int = MOST_ITEMS,
) -> Undone:
    """Give back at most `most` of what was taken: of these items, or of all. `by` is None for a program.

    Raises `NotFound`, `FailedPrecondition` while the review runs, and `PermissionDenied` for who edits policy.
    """
    if review.running:
        raise FailedPrecondition("REVIEW_STATE", f"The review is {review.state}; stop it first, then undo what it took.")
    person_id = ""
    if by is not None:
        person = behind(book, by)
        if edits_policy(book, person):
            raise PermissionDenied("POLICY_EDITOR", "Who edits policy does not decide who gets access by it.")
        person_id = person.person_id
    edits: list[Edit] = []
    items: list[ReviewItem] = []
    kept: dict[int, str] = {}
    more = False
    for item in _chosen(book, review, plan, numbers, most):
        if len(items) == most:
            more = True
            break
        why = "NOT_APPLIED" if item.state != "applied" else _changed(book, plan.items[item.number], item, person_id)
        if why:
            kept |= {item.number: why} if item.state != "undone" else {}
            continue
        assert item.before is not None  # of an item that was applied
        edits.append(GrantEdit("grant_restored", item.before, f"{item.review_id}/{item.number}", METHOD))
        items.append(replace(item, state="undone", undone_at=book.now))
    edits += [ItemsEdit("items_undone", review.review_id, piece) for piece in chunks(items)]
    if items and len(looks(book).numbers(ItemFilter(review.review_id, "applied", limit=len(items) + 1))) == len(items):
        review = replace(review, state="undone", closed_at=book.now)
        edits.append(ReviewEdit("review_closed", review))
    return Undone(tuple(edits), review, tuple(items), kept, more)


def taken(grant: Grant, word: str, planned: PlannedItem, at: int) -> Grant:
    """Return what is left of a grant when a word was applied to it at `at` (UTC nanoseconds)."""
    if word == "revoke":
        return over(grant, at, METHOD)
    return replace(grant, scope=planned.scope) if word == "reduce" else replace(grant, suspended=METHOD)


def _chosen(book: Book, review: Review, plan: ReviewPlan, numbers: Iterable[int] | None, most: int) -> Iterable[ReviewItem]:
    """Yield the items that are named, or page by page all that were applied."""
    if numbers is not None:
        wanted = dict.fromkeys(numbers)
        known = touched(book, review, wanted)
        for number in wanted:
            planned = planned_item(plan, number)
            yield known.get(number) or ReviewItem(review.review_id, number, planned.grant_id)
        return
    after, limit = -1, min(most + 1, _PAGE)
    while page := looks(book).items(ItemFilter(review.review_id, "applied", after=after, limit=limit)):
        yield from page
        after = page[-1].number


def _changed(book: Book, planned: PlannedItem, item: ReviewItem, person_id: str) -> str:
    """Return why an item can't be given back, or nothing."""
    before = item.before
    assert before is not None  # of an item that was applied
    if book.holdings.grant(item.grant_id) != taken(before, item.word, planned, item.applied_at):
        return "CHANGED_SINCE"
    holder = book.holdings.person(before.employee)
    if holder is None or holder.status == "left":
        return "PERSON_LEFT"
    if holder.person_id == person_id:
        return "SELF_APPROVAL"
    if holder.status == "leave" and not before.suspended:
        return "PERSON_ON_LEAVE"
    role, purpose = book.bundle.roles.get(before.role), book.bundle.purposes.get(before.purpose)
    if item.word != "revoke" or before.ends_at <= book.now or role is None or purpose is None:
        return ""
    wish = Wish(holder, role, purpose, before.scope, max(before.starts_at, book.now), before.ends_at)
    try:
        check_holding(book, wish, item.grant_id, heads=False)
    except FailedPrecondition as error:
        return "" if error.reason == "PERSON_NOT_ACTIVE" and before.suspended else error.reason
    return ""
