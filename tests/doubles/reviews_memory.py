"""`Reviews` over lists in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from munjigi.grants.review_edits import ReviewsState
from munjigi.grants.review_ports import ItemCount, ItemFilter, ReviewFilter
from munjigi.kernel.errors import NotFound
from munjigi.kernel.review import LogClosing, Mark, Review, ReviewException, ReviewItem


class MemoryReviews:
    def __init__(self, state: ReviewsState, plans: Mapping[str, bytes]) -> None:
        self._state = state
        self._plans = plans

    def review(self, review_id: str) -> Review | None:
        return next((each for each in self._state.reviews if each.review_id == review_id), None)

    def reviews(self, asked: ReviewFilter) -> list[Review]:
        found = sorted(self._state.reviews, key=lambda each: (each.opened_at, each.review_id), reverse=True)
        return [
            each
            for each in found
            if (not asked.kind or each.kind == asked.kind)
            and (not asked.state or each.state == asked.state)
            and (asked.before is None or (each.opened_at, each.review_id) < asked.before)
        ][: asked.limit]

    def items(self, asked: ItemFilter) -> list[ReviewItem]:
        return [
            each
            for each in self._state.items
            if each.review_id == asked.review_id
            and each.number > asked.after
            and (not asked.state or each.state == asked.state)
            and (not asked.word or each.word == asked.word)
            and (not asked.decided_by or (each.votes and each.votes[-1].person_id == asked.decided_by))
            and (asked.numbers is None or each.number in asked.numbers)
        ][: asked.limit]

    def numbers(self, asked: ItemFilter) -> list[int]:
        return [each.number for each in self.items(asked)]

    def counts(self, review_id: str) -> list[ItemCount]:
        found = Counter((each.state, each.word) for each in self._state.items if each.review_id == review_id)
        return [ItemCount(state, word, count) for (state, word), count in sorted(found.items())]

    def exceptions(self, *, review_id: str = "", grant_id: str = "") -> list[ReviewException]:
        found = self._state.exceptions
        return [each for each in found if review_id in ("", each.review_id) and grant_id in ("", each.grant_id)]

    def closings(self) -> list[LogClosing]:
        return self._state.closings

    def marks(self, person_id: str = "") -> list[Mark]:
        return [each for each in self._state.marks if person_id in ("", each.person_id)]

    def plan(self, digest: str) -> bytes:
        if digest not in self._plans:
            raise NotFound("PLAN_UNKNOWN", "No such plan.")
        return self._plans[digest]
