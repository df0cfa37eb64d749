"""Read and write reviews as rows, inside a transaction of the caller."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import BindParameter, Column, Connection, bindparam, delete, func, insert, select, update

from munjigi.adapters.state.batches import parts
from munjigi.adapters.state.codec import decode_closing, decode_exception, decode_item, decode_review, encode_of_review
from munjigi.adapters.state.tables import LOG_CLOSING, REVIEW, REVIEW_EXCEPTION, REVIEW_ITEM, REVIEW_MARK, REVIEW_PLAN
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
from munjigi.grants.review_marks import marks_after
from munjigi.grants.review_ports import ItemCount, ItemFilter, ReviewFilter
from munjigi.grants.storable import check_storable
from munjigi.kernel.errors import Corruption, FailedPrecondition, NotFound
from munjigi.kernel.grant import Grant
from munjigi.kernel.review import LogClosing, Mark, Review, ReviewException, ReviewItem

_PIECE: Final = 1 << 16  # bytes of a plan in one row
_FEW: Final = 500  # values in one IN
_RUNNING: Final = ("open", "applying")
_ITEM: Final = REVIEW_ITEM.c
_MARK: Final = REVIEW_MARK.c
# Built once: applying a review goes through these thousands of times.
_THESE: Final[BindParameter[Sequence[Any]]] = bindparam("these", expanding=True)
_TAKEN: Final = (
    select(_ITEM.content).where(_ITEM.grant_id.in_(_THESE), _ITEM.state == "applied").order_by(_ITEM.grant_id, _ITEM.review_id)
)
_PUT_ITEM: Final = insert(REVIEW_ITEM)
_CHANGE_ITEM: Final = update(REVIEW_ITEM).where(_ITEM.review_id == bindparam("of"), _ITEM.number == bindparam("at"))
_THERE: Final = (_MARK.person_id == bindparam("who")) & (_MARK.role == bindparam("what")) & (_MARK.purpose == bindparam("why"))
_STANDING: Final = select(REVIEW_MARK).where(_THERE)
_DROP_MARK: Final = delete(REVIEW_MARK).where(_THERE)
_PUT_MARK: Final = insert(REVIEW_MARK)
_LIFT: Final = update(REVIEW_MARK).where(_THERE).values(lifted_at=bindparam("when"))
_TAKE_BACK: Final = delete(REVIEW_MARK).where(_THERE, _MARK.review_id == bindparam("of"), _MARK.number == bindparam("at"))


class StoredReviews:
    """Implements `grants.review_ports.Reviews` on a connection whose transaction sees one moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def review(self, review_id: str) -> Review | None:
        """Return the review of this id."""
        found = self._connection.execute(select(REVIEW.c.content).where(REVIEW.c.review_id == review_id)).scalar_one_or_none()
        return None if found is None else decode_review(found)

    def reviews(self, asked: ReviewFilter) -> list[Review]:
        """Return reviews, newest first."""
        columns = REVIEW.c
        rows = select(columns.content).order_by(columns.opened_at.desc(), columns.review_id.desc()).limit(asked.limit)
        if asked.kind:
            rows = rows.where(columns.kind == asked.kind)
        if asked.state:
            rows = rows.where(columns.state == asked.state)
        if asked.before is not None:
            opened_at, review_id = asked.before
            same = (columns.opened_at == opened_at) & (columns.review_id < review_id)
            rows = rows.where((columns.opened_at < opened_at) | same)
        return [decode_review(each) for each in self._connection.execute(rows).scalars()]

    def items(self, asked: ItemFilter) -> list[ReviewItem]:
        """Return touched items, by number."""
        return [decode_item(each) for each in self._of_items(_ITEM.content, asked)]

    def numbers(self, asked: ItemFilter) -> list[int]:
        """Return the numbers of touched items."""
        return self._of_items(_ITEM.number, asked)

    def _of_items(self, column: Column[Any], asked: ItemFilter) -> list[Any]:
        rows = select(column).where(_ITEM.review_id == asked.review_id, _ITEM.number > asked.after)
        if asked.state:
            rows = rows.where(_ITEM.state == asked.state)
        if asked.word:
            rows = rows.where(_ITEM.word == asked.word)
        if asked.decided_by:
            rows = rows.where(_ITEM.decided_by == asked.decided_by)
        rows = rows.order_by(_ITEM.number)
        if asked.numbers is None:
            few_rows_at_once = self._connection.execute(rows.limit(asked.limit)).scalars().partitions(_FEW)
            return list(chain.from_iterable(few_rows_at_once))
        numbers, found = sorted(asked.numbers), list[Any]()
        for start in range(0, len(numbers), _FEW):
            found += self._connection.execute(rows.where(_ITEM.number.in_(numbers[start : start + _FEW]))).scalars()
            if len(found) >= asked.limit:
                break
        return found[: asked.limit]

    def counts(self, review_id: str) -> list[ItemCount]:
        """Return how many touched items there are, by state and word."""
        grouped = select(_ITEM.state, _ITEM.word, func.count()).where(_ITEM.review_id == review_id)
        rows = self._connection.execute(grouped.group_by(_ITEM.state, _ITEM.word).order_by(_ITEM.state, _ITEM.word))
        return [ItemCount(*row) for row in rows]

    def exceptions(self, *, review_id: str = "", grant_id: str = "") -> list[ReviewException]:
        """Return all exceptions, those of a review, or those for a grant, by id."""
        columns = REVIEW_EXCEPTION.c
        rows = select(columns.content).order_by(columns.exception_id)
        if review_id:
            rows = rows.where(columns.review_id == review_id)
        if grant_id:
            rows = rows.where(columns.grant_id == grant_id)
        return [decode_exception(each) for each in self._connection.execute(rows).scalars()]

    def closings(self) -> list[LogClosing]:
        """Return what was said of logs that are lost, by log id."""
        rows = select(LOG_CLOSING.c.content).order_by(LOG_CLOSING.c.log_id)
        return [decode_closing(each) for each in self._connection.execute(rows).scalars()]

    def marks(self, person_id: str = "") -> list[Mark]:
        """Return all marks, or a person's."""
        rows = select(REVIEW_MARK).order_by(_MARK.person_id, _MARK.role, _MARK.purpose)
        if person_id:
            rows = rows.where(_MARK.person_id == person_id)
        return [Mark(*row) for row in self._connection.execute(rows)]

    def plan(self, digest: str) -> bytes:
        """Return a plan's canonical bytes."""
        columns = REVIEW_PLAN.c
        rows = select(columns.content).where(columns.digest == digest).order_by(columns.piece)
        content = b"".join(self._connection.execute(rows).scalars())
        if not content:
            raise NotFound("PLAN_UNKNOWN", "There is no plan of this digest; take it from the review.")
        if hashlib.sha256(content).hexdigest() != digest:
            raise Corruption("STATE_CORRUPT", "A plan is not the one that its digest names; restore a backup of the state store.")
        return content


def read_all_reviews(connection: Connection) -> ReviewsState:
    """Return everything about reviews, in the stable order."""
    found = StoredReviews(connection)
    reviews = connection.execute(select(REVIEW.c.content).order_by(REVIEW.c.review_id)).scalars()
    items = connection.execute(select(_ITEM.content).order_by(_ITEM.review_id, _ITEM.number)).scalars()
    return ReviewsState(
        [decode_review(each) for each in reviews],
        [decode_item(each) for each in items],
        found.exceptions(),
        found.marks(),
        found.closings(),
    )


def keep_plan(connection: Connection, content: bytes) -> str:
    """Keep a plan, unless it is kept, and return its digest."""
    digest = hashlib.sha256(content).hexdigest()
    if not _kept(connection, digest):
        pieces = [content[start : start + _PIECE] for start in range(0, len(content), _PIECE)]
        rows = [{"digest": digest, "piece": number, "content": piece} for number, piece in enumerate(pieces)]
        connection.execute(insert(REVIEW_PLAN), rows)
    return digest


def _kept(connection: Connection, digest: str) -> bool:
    there = select(REVIEW_PLAN.c.piece).where(REVIEW_PLAN.c.digest == digest, REVIEW_PLAN.c.piece == 0)
    return connection.execute(there).first() is not None


def taken_from(connection: Connection, grant_ids: Iterable[str]) -> dict[str, list[Grant]]:
    """Return by id how grants were before each review that took of them, and was not undone."""
    found: defaultdict[str, list[Grant]] = defaultdict(list)
    for some in parts(grant_ids):
        for item in map(decode_item, connection.execute(_TAKEN, {"these": some}).scalars()):
            if item.before is not None:
                found[item.grant_id].append(item.before)
    return found


def standing(connection: Connection, person_id: str, role: str, purpose: str) -> Mark | None:
    """Return the mark of this person, role and purpose, when no approval has lifted it."""
    found = connection.execute(_STANDING, {"who": person_id, "what": role, "why": purpose}).first()
    return None if found is None or found.lifted_at else Mark(*found)


def lift(connection: Connection, mark: Mark) -> None:
    """Note that an approval has lifted a mark."""
    connection.execute(_LIFT, {**_key(mark), "when": mark.lifted_at})


def write_review(connection: Connection, edit: ReviewEdit) -> None:
    """Insert or update one review after asking the rules.

    Raises what `check_review_edit` raises, and `FailedPrecondition` for one on a plan that is not kept.
    """
    review, columns = edit.review, REVIEW.c
    check_storable((review.review_id, review.kind), ())  # before a database is asked for them
    others = select(columns.review_id).where(columns.kind == review.kind, columns.state.in_(_RUNNING))
    running = connection.execute(others.where(columns.review_id != review.review_id)).scalars().first()
    check_review_edit(edit, StoredReviews(connection).review(review.review_id), running or "")
    values = {"state": review.state, "content": encode_of_review(review)}
    if edit.kind == "review_opened":
        if not _kept(connection, review.plan_digest):
            raise FailedPrecondition("PLAN_NOT_KEPT", "A review is opened on a plan that is kept; keep it first.")
        made = {"review_id": review.review_id, "kind": review.kind, "opened_at": review.opened_at}
        connection.execute(insert(REVIEW), values | made)
    else:
        connection.execute(update(REVIEW).where(columns.review_id == review.review_id), values)


def write_items(connection: Connection, edit: ItemsEdit) -> None:
    """Insert or update items after asking the rules, and put or take away marks. Raises what `check_items_edit` raises."""
    check_storable((edit.review_id,), ())
    found = StoredReviews(connection)
    numbers = tuple({each.number for each in edit.items})
    before = {each.number: each for each in found.items(ItemFilter(edit.review_id, numbers=numbers))}
    check_items_edit(edit, found.review(edit.review_id), before)
    new = [_row(item) for item in edit.items if item.number not in before]
    if new:
        connection.execute(_PUT_ITEM, new)
    changed = [_changed(item) for item in edit.items if item.number in before]
    if changed:
        connection.execute(_CHANGE_ITEM, changed)
    put, gone = marks_after(edit)
    if put:
        connection.execute(_DROP_MARK, [_key(mark) for mark in put])
        connection.execute(_PUT_MARK, [mark._asdict() for mark in put])
    if gone:
        connection.execute(_TAKE_BACK, [{**_key(mark), "of": mark.review_id, "at": mark.number} for mark in gone])


def write_exception(connection: Connection, edit: ExceptionEdit) -> None:
    """Insert or update one exception after asking the rules. Raises what `check_exception_edit` raises."""
    made, found = edit.exception, StoredReviews(connection)
    check_storable((made.exception_id, made.review_id, made.grant_id), ())
    of_grant = found.exceptions(grant_id=made.grant_id)
    earlier = any(each.approver and each.exception_id != made.exception_id for each in of_grant)
    columns = REVIEW_EXCEPTION.c
    there = connection.execute(select(columns.content).where(columns.exception_id == made.exception_id)).scalar_one_or_none()
    before = None if there is None else decode_exception(there)
    check_exception_edit(edit, before, found.review(made.review_id), earlier=earlier)
    values = {"grant_id": made.grant_id, "review_id": made.review_id, "content": encode_of_review(made)}
    if edit.kind == "exception_asked":
        connection.execute(insert(REVIEW_EXCEPTION), values | {"exception_id": made.exception_id})
    else:
        connection.execute(update(REVIEW_EXCEPTION).where(columns.exception_id == made.exception_id), values)


def write_closing(connection: Connection, edit: LogEdit) -> None:
    """Insert or update what is said of one log after asking the rules. Raises what `check_log_edit` raises."""
    made, columns = edit.closing, LOG_CLOSING.c
    check_storable((made.log_id,), ())
    there = connection.execute(select(columns.content).where(columns.log_id == made.log_id)).scalar_one_or_none()
    check_log_edit(edit, None if there is None else decode_closing(there))
    content = encode_of_review(made)
    if there is None:
        connection.execute(insert(LOG_CLOSING), {"log_id": made.log_id, "content": content})
    else:
        connection.execute(update(LOG_CLOSING).where(columns.log_id == made.log_id), {"content": content})


def _values(item: ReviewItem) -> dict[str, Any]:
    decided_by = item.votes[-1].person_id if item.votes else ""
    return {"state": item.state, "word": item.word, "decided_by": decided_by, "content": encode_of_review(item)}


def _row(item: ReviewItem) -> dict[str, Any]:
    return {"review_id": item.review_id, "number": item.number, "grant_id": item.grant_id, **_values(item)}


def _changed(item: ReviewItem) -> dict[str, Any]:
    return {"of": item.review_id, "at": item.number, **_values(item)}


def _key(mark: Mark) -> dict[str, str]:
    return {"who": mark.person_id, "what": mark.role, "why": mark.purpose}
