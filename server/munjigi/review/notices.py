"""What people are told of a review because time went by, each said once: that it is open, that it concerns them, that their word is missing.

A function of the reviews and the moment. What came about by somebody's doing is told by its record (`grants/notices/told.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from munjigi.grants.book import Book
from munjigi.grants.notices import circle
from munjigi.grants.notices.notice import Kind, Notice, Severity, due_id
from munjigi.grants.notices.told import named
from munjigi.kernel.clock import SECOND
from munjigi.kernel.review import PlannedItem, Review, ReviewItem, ReviewPlan
from munjigi.review.campaign import due, waiting
from munjigi.review.reviewers import Reviewers
from munjigi.review.settings import rows_of

_KINDS: Final[Mapping[str, tuple[Kind, Severity]]] = {
    "remind": ("review.reminder", "warning"),
    "escalate": ("review.escalated", "warning"),
    "office": ("review.escalated", "warning"),
}
_REMEMBERED: Final = 400 * 86_400 * SECOND
Said = Callable[[str], bool]


def review_notices(book: Book, review: Review, plan: ReviewPlan, known: Mapping[int, ReviewItem], said: Said) -> Iterator[Notice]:
    """Yield what is to be said of an open review now. `said` tells whether a notice was made already."""
    if review.state != "open":
        return
    whole = due_id("review.opened", review.review_id)
    if not said(whole):
        yield from _concerned(book, review, plan, said)
        yield from _deciding(book, review, plan, known, "opened", ("review.opened", "info"), said)
        yield _mark(book, review, whole)
    for each in due(review, book.now):
        if each.kind in _KINDS:
            step = f"{each.kind}.{each.number}"
            mark = due_id("review.step", review.review_id, step)
            if not said(mark):
                yield from _deciding(book, review, plan, known, step, _KINDS[each.kind], said)
                yield _mark(book, review, mark)


def _concerned(book: Book, review: Review, plan: ReviewPlan, said: Said) -> Iterator[Notice]:
    """Tell holders of what is to go or to be narrowed."""
    for item in plan.items:
        name = due_id("review.concerns", review.review_id, item.number)
        if item.verdict not in ("reduce", "revoke") or said(name):
            continue
        about = {"review": review.review_id, "holder": item.employee.subject, "grant": item.grant_id}
        about |= named(item.role, item.purpose, book.bundle)
        people = circle.concerned(book, item.employee)
        yield Notice(name, "review.concerns", "warning", book.now, people, about, _times(review), _until(review))


def _deciding(
    book: Book,
    review: Review,
    plan: ReviewPlan,
    known: Mapping[int, ReviewItem],
    step: str,
    kind: tuple[Kind, Severity],
    said: Said,
) -> Iterator[Notice]:
    """Tell each who may decide something how much of it waits."""
    row = rows_of(book.bundle).get(review.kind)
    for person_id, count in sorted(waits_for(book, review, plan, known).items()):
        name = due_id("review.deciding", review.review_id, step, person_id)
        person = book.holdings.person_of(person_id)
        if person is None or said(name):
            continue
        about = {"review": review.review_id, "title": row.title if row is not None else review.kind, "items": str(count)}
        people = circle.accounts([person], plan.items[0].employee.issuer)
        yield Notice(name, kind[0], kind[1], book.now, people, about, _times(review), _until(review))


def waits_for(book: Book, review: Review, plan: ReviewPlan, known: Mapping[int, ReviewItem]) -> Counter[str]:
    """Return for how many items each person's word is waited, by person id."""
    reviewers, found = Reviewers(book, review), Counter[str]()
    for planned in waiting(plan, known):
        found.update(_able(reviewers, planned, known.get(planned.number)))
    return found


def _able(reviewers: Reviewers, planned: PlannedItem, item: ReviewItem | None) -> set[str]:
    voted = {vote.person_id for vote in item.votes} if item is not None else set()
    return set(reviewers.of(planned, second=item is not None and item.second)) - voted


def _mark(book: Book, review: Review, name: str) -> Notice:
    """Return what notes that all of a step was said: to the control center alone."""
    about = {"review": review.review_id, "title": review.kind, "items": str(review.items)}
    return Notice(name, "review.opened", "info", book.now, (), about, _times(review), _until(review))


def _times(review: Review) -> dict[str, int]:
    times = {"applies": review.schedule.apply_from, "defaults": review.schedule.default_at}
    return {name: at for name, at in times.items() if at}


def _until(review: Review) -> int:
    """Return until when it is remembered as said: longer than any review stays open."""
    return review.opened_at + _REMEMBERED
