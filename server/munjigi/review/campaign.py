"""A review from its opening to the last word on its items: pure plans over a book. Nothing is kept in silence.

An item whose verdict is `keep` stays unless somebody says otherwise: the plan's evidence is the word. Every other item waits for a
person; what nobody decided in time comes to its default (rule R13), or, in a review without defaults, waits on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, Literal, NamedTuple

from munjigi.grants.book import Book
from munjigi.grants.changes import Edit
from munjigi.grants.eligibility import behind
from munjigi.grants.review_edits import MOST_ITEMS, ItemsChange, ItemsEdit, ReviewEdit, review_unknown
from munjigi.grants.review_ports import ItemFilter, ReviewFilter, Reviews
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import LOOKED_AT, ItemVote, Override, PlannedItem, Review, ReviewItem, ReviewPlan, ReviewState, Word
from munjigi.review.encoding import plan_digest
from munjigi.review.reviewers import Reviewers, check_reviewer
from munjigi.review.settings import ReviewRow
from munjigi.review.stamping import sample, signals
from munjigi.review.terms import defaults_of, limits_of, schedule_of
from munjigi.review.words import typed

OVERRIDES: Final = 2  # people who lift a run's caps
_PAGE: Final = 1000  # items
EVERYTHING: Final = 2**31 - 1  # items


class Decision(NamedTuple):
    """Somebody's word on an item. `spent` is how long it was looked at (nanoseconds), `evidence` whether its evidence was opened."""

    number: int
    word: Word
    reason: str = ""
    spent: int = 0
    evidence: bool = False


class Outcome(NamedTuple):
    """The edits of a step, the review afterwards, and the items that it is about as they are then."""

    edits: tuple[Edit, ...]
    review: Review
    items: tuple[ReviewItem, ...] = ()


class Due(NamedTuple):
    """What time brought about in an open review at `at` (UTC nanoseconds); `number` counts the reminders."""

    kind: Literal["remind", "escalate", "office", "default"]
    at: int
    number: int = 0


def looks(book: Book) -> Reviews:
    """Return what the book knows of reviews."""
    assert book.reviews is not None  # a book that changes are planned on has it
    return book.reviews


def open_review(book: Book, plan: ReviewPlan, row: ReviewRow, review_id: str, by: EmployeeKey, *, digest: str = "") -> Outcome:
    """Open a review on a plan, which the store keeps already under `digest` (empty: it is computed).

    Raises `FailedPrecondition` while another one of its kind is not over (`REVIEW_RUNNING`, with its id), or for a plan of another
    policy or of other rows, and `InvalidArgument` for one without an item.
    """
    states: tuple[ReviewState, ...] = ("open", "applying")
    for state in states:
        for other in looks(book).reviews(ReviewFilter(plan.kind, state, limit=1)):
            raise FailedPrecondition(
                "REVIEW_RUNNING", f"Review {other.review_id} of this kind is not over; apply or stop it, then plan the next one."
            )
    if plan.policy_revision != book.bundle.revision:
        raise policy_moved()
    if not plan.items and plan.sample is None:  # that nobody read anything in a month is a result
        raise InvalidArgument("REVIEW_EMPTY", "The plan has no item: nobody holds what this kind of review looks at.")
    review = Review(
        review_id=review_id,
        kind=plan.kind,
        plan_digest=digest or plan_digest(plan),
        items=len(plan.items),
        policy_revision=plan.policy_revision,
        cutoff=plan.cutoff,
        opened_at=book.now,
        opened_by=by,
        schedule=schedule_of(row, book.bundle.calendar, book.now),
        limits=limits_of(row),
        defaults=defaults_of(row),
    )
    return Outcome((ReviewEdit("review_opened", review),), review)


def decide(book: Book, review: Review, plan: ReviewPlan, decisions: Sequence[Decision], by: EmployeeKey) -> Outcome:
    """Decide items, all or none. A reviewer whose words come too fast or too much alike has a sample of them looked at by others.

    Raises `NotFound`, `InvalidArgument`, `FailedPrecondition`, and `PermissionDenied` for who may not decide one of them.
    """
    require_open(review)
    person, circle = behind(book, by), Reviewers(book, review)
    before = touched(book, review, [each.number for each in decisions])
    if len({each.number for each in decisions}) != len(decisions):
        raise InvalidArgument("ITEMS_INVALID", "An item is decided once in a call.")
    items: dict[int, ReviewItem] = {}
    for each in decisions:
        planned = planned_item(plan, each.number)
        item = before.get(each.number) or untouched(review, planned)
        able = circle.of(planned, second=item.second)
        check_reviewer(book, planned, person, able)
        _check_turn(item, person.person_id)
        if (each.word in LOOKED_AT) != (planned.access is not None):
            what = "ok or suspicious" if planned.access is not None else "kept, reduced, revoked or suspended"
            raise InvalidArgument("WORD_INVALID", f"Item {each.number} can only be {what}.")
        if each.word == "reduce" and planned.scope is None:
            raise InvalidArgument(
                "NOTHING_TO_REDUCE_TO", f"Item {each.number} can't be narrowed: the plan has no narrower scope."
            )
        reason = typed(each.reason, required=each.word != planned.verdict)
        vote = ItemVote(person.person_id, *by, able[person.person_id], each.word, reason, book.now, each.spent, each.evidence)
        items[each.number] = replace(item, state="decided", word=each.word, votes=(*item.votes, vote), why="", second=False)
    edits = [*_edits("items_decided", review, items.values())]
    mine = {item.number: item for item in all_items(book, ItemFilter(review.review_id, "decided", decided_by=person.person_id))}
    mine |= items
    if signals(list(mine.values())):
        again = {item.number: item for item in _sent_on(circle, review, plan, mine, person.person_id)}
        items |= {number: item for number, item in again.items() if number in items}
        edits += _edits("items_rerouted", review, again.values())
        if person.person_id not in review.stamped:
            review = replace(review, stamped=(*review.stamped, person.person_id))
            edits.append(ReviewEdit("review_changed", review))
    return Outcome(tuple(edits), review, tuple(items[each.number] for each in decisions))


def override(book: Book, review: Review, by: EmployeeKey, reason: str) -> Outcome:
    """Say that the run may go beyond its caps; when a second person has said so, it may. Raises `FailedPrecondition` or `InvalidArgument`."""
    require_running(review)
    person = behind(book, by)
    if any(each.person_id == person.person_id for each in review.overrides):
        raise FailedPrecondition("OVERRIDE_SAID", "You have said so; a second person has to say the same.")
    said = Override(person.person_id, *by, typed(reason), book.now)
    review = replace(review, overrides=(*review.overrides, said))
    return Outcome((ReviewEdit("review_changed", review),), review)


def stop(book: Book, review: Review, reason: str) -> Outcome:
    """Stop a review for good; what it has taken stays taken until it is undone. Raises `FailedPrecondition` or `InvalidArgument`."""
    require_running(review)
    review = replace(review, state="stopped", closed_at=book.now, why=typed(reason))
    return Outcome((ReviewEdit("review_closed", review),), review)


def due(review: Review, now: int) -> list[Due]:
    """Return what time has brought about in a review by `now`, oldest first; of one that is not open any more, nothing."""
    if review.state != "open":
        return []
    schedule = review.schedule
    steps = [Due("remind", at, number) for number, at in enumerate(schedule.remind_at, 1)]
    steps += [Due("escalate", schedule.escalate_at), Due("office", schedule.office_at)]
    steps += [Due("default", schedule.default_at)] * bool(schedule.default_at)
    return sorted((each for each in steps if each.at <= now), key=lambda each: each.at)


def defaults(book: Book, review: Review, plan: ReviewPlan, most: int = 2 * _PAGE) -> Outcome:
    """Let at most so many items that nobody decided come to their defaults; none before the review's time for it."""
    require_open(review)
    if not review.schedule.default_at or book.now < review.schedule.default_at:
        return Outcome((), review)
    left = list(islice(undecided(book, review, plan), most))
    known = touched(book, review, [planned.number for planned in left])
    items = []
    for planned in left:
        item = known.get(planned.number) or untouched(review, planned)
        items.append(replace(item, state="decided", word=default_of(review, planned), why="DEFAULT", second=False))
    return Outcome(tuple(_edits("items_decided", review, items)), review, tuple(items))


def default_of(review: Review, planned: PlannedItem) -> Word:
    """Return what an item comes to when nobody decides: what was planned; where the plan asks, the word of its data class."""
    if planned.verdict != "ask":
        return planned.verdict
    by_class = dict(review.defaults)
    return by_class.get(planned.data_class) or by_class.get("") or "suspend"


def undecided(book: Book, review: Review, plan: ReviewPlan) -> Iterator[PlannedItem]:
    """Yield the items that wait for a word, as `waiting` does, without reading what became of the others."""
    touched_ones = set(looks(book).numbers(ItemFilter(review.review_id, limit=EVERYTHING)))
    again = set(looks(book).numbers(ItemFilter(review.review_id, "open", limit=EVERYTHING)))
    for planned in plan.items:
        if planned.number in again if planned.number in touched_ones else planned.verdict != "keep":
            yield planned


def waiting(plan: ReviewPlan, known: Mapping[int, ReviewItem]) -> Iterator[PlannedItem]:
    """Yield the items that wait for a word. `known` are all that somebody touched, by number."""
    for planned in plan.items:
        item = known.get(planned.number)
        if (planned.verdict != "keep") if item is None else item.state == "open":
            yield planned


def to_decide(
    book: Book, review: Review, plan: ReviewPlan, person_id: str, known: Mapping[int, ReviewItem]
) -> Iterator[PlannedItem]:
    """Yield the items that wait for a word which this person may give now."""
    circle = Reviewers(book, review)
    for planned in waiting(plan, known):
        item = known.get(planned.number)
        voted = item is not None and any(vote.person_id == person_id for vote in item.votes)
        if not voted and person_id in circle.of(planned, second=item is not None and item.second):
            yield planned


def planned_item(plan: ReviewPlan, number: int) -> PlannedItem:
    """Return the item of this number. Raises `NotFound`."""
    if not 0 <= number < len(plan.items):
        raise NotFound("ITEM_UNKNOWN", "The review has no such item; `munjigi review show` lists them.")
    return plan.items[number]


def untouched(review: Review, planned: PlannedItem) -> ReviewItem:
    """Return an item as it is before anybody's word."""
    record_id = planned.access.record_id if planned.access is not None else ""
    return ReviewItem(review.review_id, planned.number, planned.grant_id, record_id=record_id)


def touched(book: Book, review: Review, numbers: Iterable[int]) -> dict[int, ReviewItem]:
    """Return those of some items that somebody has touched, by number."""
    wanted = tuple(numbers)
    return {item.number: item for item in looks(book).items(ItemFilter(review.review_id, numbers=wanted, limit=len(wanted)))}


def all_items(book: Book, asked: ItemFilter) -> list[ReviewItem]:
    """Return all touched items of a filter, by number."""
    return looks(book).items(asked._replace(limit=EVERYTHING))


def the_review(book: Book, review_id: str, digest: str) -> Review:
    """Return a review whose plan is the one that somebody read. Raises `NotFound` or `FailedPrecondition`."""
    review = looks(book).review(review_id)
    if review is None:
        raise review_unknown()
    if digest != review.plan_digest:
        raise FailedPrecondition("REVIEW_PLAN_OTHER", "What you read is not this review's plan; look at it again.")
    return review


def require_open(review: Review) -> None:
    """Refuse what can be done only while people decide. Raises `FailedPrecondition`."""
    if review.state != "open":
        raise FailedPrecondition("REVIEW_STATE", f"The review is {review.state}, so nobody decides in it any more.")


def require_running(review: Review) -> None:
    """Refuse what can't be done to a review that is over. Raises `FailedPrecondition`."""
    if not review.running:
        raise FailedPrecondition("REVIEW_STATE", f"The review is {review.state}, so this can't be done to it.")


def policy_moved() -> FailedPrecondition:
    """Return the error that says so."""
    return FailedPrecondition(
        "POLICY_MOVED", "The policy is another one than the plan was made on; stop this review and plan it anew."
    )


def chunks(items: Iterable[ReviewItem], size: int = MOST_ITEMS) -> Iterator[tuple[ReviewItem, ...]]:
    """Yield items in pieces that fit into an edit."""
    rest = tuple(items)
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


def _edits(kind: ItemsChange, review: Review, items: Iterable[ReviewItem]) -> Iterator[Edit]:
    return (ItemsEdit(kind, review.review_id, piece) for piece in chunks(items))


def _check_turn(item: ReviewItem, person_id: str) -> None:
    """Refuse a second word of who is to be looked at, and one over another person's."""
    if item.state == "open":
        if any(vote.person_id == person_id for vote in item.votes):
            raise PermissionDenied("SECOND_LOOK", f"Somebody else looks at item {item.number} again; one human, one vote.")
    elif item.why != "DEFAULT" and item.votes[-1].person_id != person_id:
        raise FailedPrecondition("ITEM_DECIDED", f"Item {item.number} is decided by somebody else; talk to them.")


def _sent_on(
    circle: Reviewers, review: Review, plan: ReviewPlan, mine: Mapping[int, ReviewItem], person_id: str
) -> Iterator[ReviewItem]:
    """Yield a sample of what one person decided, open again for others; what nobody else may decide stays decided."""
    for number in sample(review.plan_digest, mine):
        item = mine[number]
        others = circle.of(plan.items[number], second=True).keys() - {vote.person_id for vote in item.votes}
        first = len({vote.person_id for vote in item.votes}) == 1  # what was looked at again is not sent round once more
        if others and first and item.votes[-1].person_id == person_id:
            yield replace(item, state="open", word="", second=True)
