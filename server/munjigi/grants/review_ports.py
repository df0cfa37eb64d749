"""What is asked about reviews: the part of a store that plans on them look at."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from munjigi.kernel.review import ItemState, LogClosing, Mark, Review, ReviewException, ReviewItem, ReviewState, Word


class ReviewFilter(NamedTuple):
    """Which reviews: of a kind and in a state (empty: any), opened before (`opened_at`, id), at most `limit`."""

    kind: str = ""
    state: ReviewState | Literal[""] = ""
    before: tuple[int, str] | None = None
    limit: int = 100


class ItemFilter(NamedTuple):
    """Which touched items of a review: in a state or with a word (empty: any), last decided by a person (empty: whoever).

    `numbers` are those of some items (None: any), `after` the number above which the page begins, `limit` how many it has at most.
    """

    review_id: str
    state: ItemState | Literal[""] = ""
    word: Word | Literal[""] = ""
    decided_by: str = ""
    numbers: tuple[int, ...] | None = None
    after: int = -1
    limit: int = 1000


class ItemCount(NamedTuple):
    """How many touched items of a review are in a state, with a word (empty: none yet)."""

    state: ItemState
    word: Word | Literal[""]
    items: int


class Reviews(Protocol):
    """Reviews at one moment. An item that nobody has touched yet is in none of the lists. Raises what the store's methods raise."""

    def review(self, review_id: str) -> Review | None:
        """Return the review of this id."""
        ...

    def reviews(self, asked: ReviewFilter) -> list[Review]:
        """Return reviews, newest first."""
        ...

    def items(self, asked: ItemFilter) -> list[ReviewItem]:
        """Return touched items, by number."""
        ...

    def numbers(self, asked: ItemFilter) -> list[int]:
        """Return the numbers of the items that `items` would return, ascending, without reading the items: there may be very many."""
        ...

    def counts(self, review_id: str) -> list[ItemCount]:
        """Return how many touched items there are, by state and word."""
        ...

    def exceptions(self, *, review_id: str = "", grant_id: str = "") -> list[ReviewException]:
        """Return all exceptions, those of a review, or those for a grant, by id."""
        ...

    def closings(self) -> list[LogClosing]:
        """Return what was said of logs that are lost, by log id."""
        ...

    def marks(self, person_id: str = "") -> list[Mark]:
        """Return all marks, or a person's, lifted ones among them."""
        ...

    def plan(self, digest: str) -> bytes:
        """Return a plan's canonical bytes. Raises `NotFound`, and `Corruption` when they are not those that the digest names."""
        ...
