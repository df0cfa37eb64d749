"""What is read of a review at one moment: itself, its plan, what became of its items, and who may decide them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Book
from munjigi.grants.ports import StateStore
from munjigi.grants.review_edits import review_unknown
from munjigi.grants.review_ports import ItemFilter
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import PlannedItem, Review, ReviewException, ReviewItem, ReviewPlan
from munjigi.review.campaign import all_items, looks, planned_item, to_decide, waiting
from munjigi.review.kept import KeptPlans
from munjigi.review.reviewers import Reviewers
from munjigi.review.settings import rows_of
from munjigi.rpc.review_messages import ITEM_STATES, VERDICTS, Told, item_message, review_message, state_of
from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls
from munjigi_client._proto.munjigi.v1 import review_pb2 as pb


class Look(NamedTuple):
    """A review at one moment. `known` are the items that somebody touched, by number."""

    book: Book
    review: Review
    plan: ReviewPlan
    known: dict[int, ReviewItem]
    exceptions: dict[int, ReviewException]

    def message(self) -> pb.Review:
        """Return the review as a message."""
        return message_of(self.book, self.review, self.plan, self.known)

    def concerns(self, employee: EmployeeKey) -> bool:
        """Tell whether somebody may decide in it now, has decided in it, or holds what it is about."""
        person = self.book.holdings.person(employee)
        if person is None:
            return False
        if any(vote.person_id == person.person_id for item in self.known.values() for vote in item.votes):
            return True
        if any(item.person_id == person.person_id for item in self.of_holders()):
            return True
        return next(self.mine(person.person_id), None) is not None

    def of_holders(self) -> Sequence[PlannedItem]:
        """Return the items that those whom they are about may see: their rights. Whose access is suspicious does not learn it here."""
        return self.plan.items if self.plan.sample is None else ()

    def mine(self, person_id: str) -> Iterator[PlannedItem]:
        """Yield what waits for this person's word; in a review that is over, nothing."""
        if self.review.state == "open":
            yield from to_decide(self.book, self.review, self.plan, person_id, self.known)

    def messages(self, items: Iterable[PlannedItem]) -> list[pb.ReviewItem]:
        """Return items as messages, with who may decide those that wait."""
        circle, waits = Reviewers(self.book, self.review), self.review.state == "open"
        found = []
        for planned in items:
            item = self.known.get(planned.number)
            people: Collection[str] = ()
            if waits and state_of(planned, item) == "open":
                voted = {vote.person_id for vote in item.votes} if item is not None else set()
                people = circle.of(planned, second=item is not None and item.second).keys() - voted
            reviewers = _subjects(self.book, sorted(people))
            found.append(item_message(planned, item, self.review.review_id, reviewers, self.exceptions.get(planned.number)))
        return found


class Page(NamedTuple):
    """Items, the token of the next page, and whether all of them concern the caller alone."""

    items: list[pb.ReviewItem]
    token: str


def look(snapshot: Snapshot, now: int, plans: KeptPlans, review_id: str) -> Callable[[StateStore], Look]:
    """Return the question that looks at a review. It raises `NotFound`."""

    def ask(store: StateStore) -> Look:
        with store.moment() as moment:
            book = Book(snapshot.grants, snapshot.bundle, now, reviews=moment.reviews)
            review = moment.reviews.review(review_id)
            if review is None:
                raise review_unknown()
            return look_at(book, plans, review)

    return ask


def look_at(book: Book, plans: KeptPlans, review: Review) -> Look:
    """Look at a review inside a moment."""
    plan = plans.of(looks(book), review.plan_digest)
    known = {item.number: item for item in all_items(book, ItemFilter(review.review_id))}
    exceptions = {each.number: each for each in looks(book).exceptions(review_id=review.review_id)}
    return Look(book, review, plan, known, exceptions)


def message_of(book: Book, review: Review, plan: ReviewPlan, known: dict[int, ReviewItem]) -> pb.Review:
    """Return a review as a message, with its kind's title as the policy has it now."""
    row = rows_of(book.bundle).get(review.kind)
    return review_message(review, Told(row.title if row is not None else "", plan, known))


def page_of_items(found: Look, request: calls.ListReviewItemsRequest, person_id: str, size: int, start: int) -> Page:
    """Return the items of a request from number `start` on, at most `size`."""
    verdict, state = VERDICTS.get(request.verdict, ""), ITEM_STATES.get(request.state, "")
    chosen = (
        planned
        for planned in _asked(found, request, person_id)
        if planned.number >= start
        and (not verdict or planned.verdict == verdict)
        and (not state or state_of(planned, found.known.get(planned.number)) == state)
        and (not request.employee or planned.employee.subject == request.employee)
    )
    page = list(islice(chosen, size + 1))
    token = str(page[size].number) if len(page) > size else ""
    return Page(found.messages(page[:size]), token)


def _asked(found: Look, request: calls.ListReviewItemsRequest, person_id: str) -> Iterable[PlannedItem]:
    numbers = sorted(set(request.numbers))
    if request.to_decide:
        chosen = frozenset(numbers)
        return (each for each in found.mine(person_id) if not chosen or each.number in chosen)
    return [planned_item(found.plan, number) for number in numbers] if numbers else found.plan.items


def theirs(found: Look, request: calls.ListReviewItemsRequest, employee: EmployeeKey) -> bool:
    """Tell whether a request is only about what waits for the caller, what they decided, or what they hold."""
    own = found.plan.sample is None and request.employee == employee.subject and _all_own(found, employee)
    if request.to_decide or own:
        return True
    person = found.book.holdings.person(employee)
    if person is None or not request.numbers:
        return False
    mine = {each.number for each in found.mine(person.person_id)}
    mine |= {number for number, item in found.known.items() if any(vote.person_id == person.person_id for vote in item.votes)}
    mine |= {each.number for each in found.of_holders() if each.person_id == person.person_id}
    return mine.issuperset(request.numbers)


def _all_own(found: Look, employee: EmployeeKey) -> bool:
    """Tell whether nobody else has an account of this name under another issuer."""
    return all(each.employee.issuer == employee.issuer for each in found.plan.items if each.employee.subject == employee.subject)


def undecided(found: Look) -> int:
    """Return how many items wait for a word."""
    return sum(1 for _ in waiting(found.plan, found.known))


def _subjects(book: Book, people: Iterable[str]) -> list[str]:
    persons = (book.holdings.person_of(each) for each in people)
    return [person.accounts[0].subject for person in persons if person is not None and person.accounts]
