"""What was decided is done: a share first, watched for a while, then the rest, in commits of a bounded number of grants each.

`step` is a pure function of the book, so whoever was killed goes on where the last commit ended: an item that was done is not done
again, and two who step at once don't both. Nothing is taken while it is not known what was used (promise P3), and each step looks
again: at the policy, at each grant, and at its use since the plan's cutoff (rules R12, R17).
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from munjigi.grants.book import Book
from munjigi.grants.changes import Edit, GrantEdit
from munjigi.grants.lifecycle import state_of
from munjigi.grants.review_edits import MOST_ITEMS, ItemsEdit, ReviewEdit
from munjigi.grants.review_ports import ItemFilter
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.grant import Grant
from munjigi.kernel.review import Permission, PlannedItem, Result, Review, ReviewItem, ReviewPlan, Word
from munjigi.policy.types import PolicyBundle
from munjigi.review.campaign import (
    EVERYTHING,
    OVERRIDES,
    all_items,
    chunks,
    defaults,
    looks,
    policy_moved,
    require_running,
    undecided,
)
from munjigi.review.encoding import grant_digest
from munjigi.review.exceptions import EXCEPTED, excepted
from munjigi.review.stamping import ranked
from munjigi.review.undo import METHOD, Undone, taken, undo

SPIKE: Final = "SPIKE"
TAKING: Final[tuple[Word, ...]] = ("revoke", "reduce", "suspend")
USE_KNOWN: Final = 900 * SECOND  # use may be counted so far behind, nanoseconds
_EVENTS: Final = {"revoke": "grant_ended", "reduce": "grant_changed", "suspend": "grant_suspended"}
_UNDO_PIECE: Final = 5 * MOST_ITEMS


@dataclass(frozen=True, slots=True)
class Watch:
    """What a run looks at beside the book.

    `used_since(grant ids, since)` tells which permissions of each grant were used at or after `since`, as far as use is counted: for all
    of it up to `counted_to` (UTC nanoseconds). `denied_after(items)` counts the holders who asked, after an item was applied, for what
    it took, and were denied. Before `lost_until`, some use is unknown for good.
    """

    used_since: Callable[[Sequence[str], int], Mapping[str, Iterable[Permission]]]
    counted_to: int
    denied_after: Callable[[Sequence[ReviewItem]], int]
    lost_until: int = 0


class Step(NamedTuple):
    """One commit of a run: its edits, the review afterwards, and the items that it did something with.

    `more`: another step can follow at once; else, with a `wait_until` (UTC nanoseconds), one can follow then.
    """

    edits: tuple[Edit, ...]
    review: Review
    items: tuple[ReviewItem, ...] = ()
    more: bool = False
    wait_until: int = 0


def step(book: Book, review: Review, plan: ReviewPlan, watch: Watch, most: int = MOST_ITEMS) -> Step:
    """Return what comes next in a run. `most` grants at most are changed.

    Raises `FailedPrecondition`: for a review that can't begin to be applied (`NOTICE_RUNNING`, `POLICY_MOVED`, `USED_WOULD_BE_DENIED`,
    `ITEMS_UNDECIDED`, `CAP_EXCEEDED`), is over, or while use is not known (`USAGE_GAP`, `LOG_CLOSED_SINCE`).
    """
    if review.state == "stopped" and review.why == SPIKE:
        return _given_back(undo(book, review, plan, most=_UNDO_PIECE))
    require_running(review)
    if review.state == "open":
        return _begin(book, review, plan)
    return _go_on(book, review, plan, watch, most)


def _begin(book: Book, review: Review, plan: ReviewPlan) -> Step:
    """Let what is undecided come to its default, or begin to apply."""
    if book.now < review.schedule.apply_from:
        raise FailedPrecondition(
            "NOTICE_RUNNING", "Holders and owners have been told and have some days yet; `munjigi review show` says until when."
        )
    if plan.sample is None and plan.policy_revision != book.bundle.revision:  # what was read stays read, whatever the policy
        raise policy_moved()
    if plan.replay.newly_denied_used:
        raise FailedPrecondition(
            "USED_WOULD_BE_DENIED",
            f"{len(plan.replay.newly_denied_used)} real decisions of the window would be denied; plan the review anew.",
        )
    left = sum(1 for _ in undecided(book, review, plan))
    if left:
        decided = defaults(book, review, plan)
        if decided.edits:
            return Step(decided.edits, review, decided.items, more=True)
        raise FailedPrecondition("ITEMS_UNDECIDED", f"{left} items wait for somebody's word; `munjigi review show` says whose.")
    if plan.sample is not None:
        review = replace(review, result=result_of(all_items(book, ItemFilter(review.review_id))))
    taking = [plan.items[number] for number in _taking(book, review)]
    if not taking:
        return _closed(book, review, "applied")
    if len({each.person_id for each in review.overrides}) < OVERRIDES:
        check_caps(book, review, taking)
    review = replace(review, state="applying")
    return Step((ReviewEdit("review_changed", review),), review, more=True)


def result_of(items: Sequence[ReviewItem]) -> Result:
    """Return what came of looking at accesses; `items` are all of the review, by number."""
    lines = "".join(f"{item.number} {item.record_id} {item.word} {item.votes[-1].person_id}\n" for item in items)
    words = Counter(item.word for item in items)
    return Result(words["ok"], words["suspicious"], hashlib.sha256(lines.encode()).hexdigest())


def check_caps(book: Book, review: Review, taking: Sequence[PlannedItem]) -> None:
    """Refuse to take more than the review's shares of all grants that are not over, and of a department's (one may go in any case).

    Raises `FailedPrecondition`.
    """
    in_force, teams = Counter[str](), Counter[str]()
    for person in book.holdings.people():
        in_force[person.department] += sum(not _is_over(grant, book.now) for grant in book.grants_of(person))
    for item in taking:
        grant, holder = book.holdings.grant(item.grant_id), book.holdings.person_of(item.person_id)
        teams[holder.department if holder is not None else ""] += not _is_over(grant, book.now)
    over_all = teams.total() > _cap(review.limits.grants, in_force.total())
    over_team = sum(count > _cap(review.limits.team, in_force[team]) for team, count in teams.items())
    if over_all or over_team:
        what = "all grants" if over_all else "a department's grants"
        raise FailedPrecondition(
            "CAP_EXCEEDED",
            f"{teams.total()} of {in_force.total()} grants would be touched, more of {what} than the caps of reviews.toml allow; two people "
            "can lift them with `munjigi review apply --over-caps`.",
        )


def _is_over(grant: Grant | None, now: int) -> bool:
    return grant is None or state_of(grant, now) in ("expired", "revoked")


def _cap(share: float, total: int) -> int:
    return max(1, math.floor(share * total))


def _go_on(book: Book, review: Review, plan: ReviewPlan, watch: Watch, most: int) -> Step:
    """Take the next grants: of the canary, or after its wait, of the rest."""
    counts = looks(book).counts(review.review_id)
    taking = sum(each.items for each in counts if each.word in TAKING)
    pending = sum(each.items for each in counts if each.word in TAKING and each.state == "decided")
    size = min(taking, math.ceil(review.limits.canary * taking))
    done = taking - pending
    if done < size:
        first = _first(review.plan_digest, array("L", _taking(book, review)).tobytes(), size)
        chosen = looks(book).items(ItemFilter(review.review_id, "decided", numbers=first, limit=most))
        return _took(book, review, plan, watch, chosen, canary=done + len(chosen) == size, last=False)
    if size and done == size:
        ends = review.canary_at + review.limits.canary_wait
        canary = all_items(book, ItemFilter(review.review_id, "applied"))
        denied = watch.denied_after(canary)
        if denied > review.limits.spike * len({item.person_id for item in canary}):
            return _spiked(book, review, plan)
        if book.now < ends:
            return Step((), review, wait_until=ends)
    if not pending:
        return _closed(book, review, "applied")
    chosen = []
    for word in TAKING:
        chosen += looks(book).items(ItemFilter(review.review_id, "decided", word, limit=most - len(chosen)))
        if len(chosen) == most:
            break
    return _took(book, review, plan, watch, chosen, canary=False, last=len(chosen) == pending)


@lru_cache(maxsize=1)  # asked for each piece of one canary, and dear
def _first(digest: str, taking: bytes, size: int) -> tuple[int, ...]:
    """Return the numbers of the items that go first, out of all that are taken (packed: they are kept to be compared)."""
    return tuple(ranked(digest, array("L", taking))[:size])


def _taking(book: Book, review: Review) -> list[int]:
    """Return the numbers of all items that are to be taken, or were."""
    asked = ItemFilter(review.review_id, limit=EVERYTHING)
    return [number for word in TAKING for number in looks(book).numbers(asked._replace(word=word))]


def _took(
    book: Book, review: Review, plan: ReviewPlan, watch: Watch, chosen: Sequence[ReviewItem], *, canary: bool, last: bool
) -> Step:
    """Do what was decided of these items. With `canary` they complete the share that goes first, with `last` the run."""
    if plan.policy_revision != book.bundle.revision:
        return _closed(book, review, "stopped", policy_moved().reason)
    if watch.counted_to < max(review.cutoff, book.now - USE_KNOWN):
        raise FailedPrecondition(
            "USAGE_GAP", "Use is not counted up to now, so nothing is taken; look whether the follower runs (`munjigi doctor`)."
        )
    if watch.lost_until > review.cutoff:
        raise FailedPrecondition(
            "LOG_CLOSED_SINCE",
            "A log was closed after this review was planned, so what was used meanwhile is not known, and nothing is taken; stop it "
            "(`munjigi review stop`) and plan it anew.",
        )
    used = watch.used_since([item.grant_id for item in chosen], review.cutoff)
    protected = excepted(book)
    edits: list[Edit] = []
    items = []
    for item in chosen:
        edit, after = _applied(book, plan.items[item.number], item, used.get(item.grant_id, ()), protected)
        edits += [edit] if edit is not None else []
        items.append(after)
    edits += [ItemsEdit("items_applied", review.review_id, piece) for piece in chunks(items)]
    if canary:
        review = replace(review, canary_at=book.now)
        edits.append(ReviewEdit("review_changed", review))
    if last:
        closed = _closed(book, review, "applied")
        return Step((*edits, *closed.edits), closed.review, tuple(items))
    wait_until = book.now + review.limits.canary_wait if canary and review.limits.canary_wait else 0
    return Step(tuple(edits), review, tuple(items), more=not wait_until, wait_until=wait_until)


def _applied(
    book: Book, planned: PlannedItem, item: ReviewItem, used: Iterable[Permission], protected: frozenset[str]
) -> tuple[GrantEdit | None, ReviewItem]:
    """Return the change of one grant, and the item afterwards; without a change it says why."""
    grant = book.holdings.grant(item.grant_id)
    why = EXCEPTED if item.grant_id in protected else _left_alone(book, planned, item, grant, used)
    if why or grant is None:
        state = "spared" if why == "SPARED_BY_USE" else "skipped"
        return None, replace(item, state=state, why=why, applied_at=book.now)  # type: ignore[arg-type]  # both are states
    person = book.holdings.person(grant.employee)
    assert person is not None  # an account that holds a grant is somebody's
    after = taken(grant, item.word, planned, book.now)
    edit = GrantEdit(_EVENTS[item.word], after, f"{item.review_id}/{item.number}", METHOD)  # type: ignore[arg-type]  # a kind of edit
    return edit, replace(item, state="applied", before=grant, person_id=person.person_id, applied_at=book.now)


def _left_alone(book: Book, planned: PlannedItem, item: ReviewItem, grant: Grant | None, used: Iterable[Permission]) -> str:
    """Return why a grant is not touched, or nothing."""
    if grant is None or _is_over(grant, book.now):
        return "GRANT_OVER"
    if grant_digest(grant) != planned.grant_digest:
        return "GRANT_MOVED"
    if item.word == "suspend" and grant.suspended:
        return "SUSPENDED_ALREADY"
    if item.word == "reduce" and all(_covered(book.bundle, planned, each) for each in used):
        return ""
    # A person who took what they saw to be used knew it; what the plan did not know is use.
    knew = bool(planned.evidence.used) and item.why != "DEFAULT" and item.word != "reduce"
    return "SPARED_BY_USE" if any(True for _ in used) and not knew else ""


def _covered(bundle: PolicyBundle, planned: PlannedItem, used: Permission) -> bool:
    """Tell whether what is left of a narrowed grant allows what was used."""
    if planned.scope is None:
        return True
    objects, actions = planned.scope
    named = (used.object, *bundle.objects.get(used.object, ()))
    return (not objects or any(each in objects for each in named)) and (not actions or used.action in actions)


def _spiked(book: Book, review: Review, plan: ReviewPlan) -> Step:
    """Stop, and begin to give back what was taken: too many of its holders ask for it."""
    stopped = _closed(book, review, "stopped", SPIKE)
    back = _given_back(undo(book, stopped.review, plan, most=_UNDO_PIECE))
    return back._replace(edits=(*stopped.edits, *back.edits))


def _given_back(back: Undone) -> Step:
    return Step(back.edits, back.review, back.items, more=back.more)


def _closed(book: Book, review: Review, state: str, why: str = "") -> Step:
    review = replace(review, state=state, closed_at=book.now, why=why)  # type: ignore[arg-type]  # a state
    return Step((ReviewEdit("review_closed", review),), review)
