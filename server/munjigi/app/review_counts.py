"""What there is to count of reviews: what runs and waits, whether reviews are good, what is held and not used (REVIEW R20)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from munjigi.grants.log_edits import PEOPLE
from munjigi.grants.review_ports import ItemFilter, ReviewFilter, Reviews
from munjigi.kernel.clock import SECOND
from munjigi.kernel.review import Review, ReviewItem, ReviewPlan
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter
from munjigi.policy.types import CLASS_PREFIX, PolicyBundle
from munjigi.review.apply import SPIKE
from munjigi.review.campaign import waiting
from munjigi.review.held import classes_of
from munjigi.review.kept import KeptPlans
from munjigi.review.schedule import MONTHS, last_due
from munjigi.review.settings import ReviewRow, rows_of

_DAY: Final = 86_400 * SECOND
_JUDGED: Final = 90 * _DAY  # what reviews took for so long says whether they are good
_FALSE: Final = 14 * _DAY  # what comes back within so long should not have been taken
_LOOKED_AT: Final = 92 * _DAY  # a quarter
_GRACE: Final = _DAY
_STATES: Final = ("open", "decided", "applied", "spared", "skipped")
_ALL: Final = 2**31 - 1


class Moment(NamedTuple):
    """All that is looked at: reviews at one moment, the policy, grants in force (ids), when the installation began (UTC nanoseconds).

    `closable` tells whether people may close a log now.
    """

    reviews: Reviews
    plans: KeptPlans
    bundle: PolicyBundle
    in_force: frozenset[str]
    began: int
    now: int
    closable: Callable[[str, int], bool]


def count(moment: Moment, meter: Meter) -> None:
    """Count everything."""
    past = moment.reviews.reviews(ReviewFilter(limit=_ALL))
    rows = rows_of(moment.bundle)
    for kind, row in rows.items():
        _kind(moment, meter, row, next((each for each in past if each.kind == kind), None))
    exceptions = [each for each in moment.reviews.exceptions() if each.holds(moment.now)]
    meter.set(catalogue.REVIEW_EXCEPTIONS, value=len(exceptions))
    asked = [each for each in moment.reviews.closings() if len(each.words) < PEOPLE]
    # Of a log that came back no second word is taken, so that its closing does not wait.
    waits = [each.words[0].at for each in asked if moment.closable(each.log_id, moment.now)]
    meter.set(catalogue.REVIEW_LOG_CLOSING, value=min(waits, default=0) / SECOND)
    taken, restored = _quality(moment, past)
    meter.set(catalogue.REVIEW_TAKEN, value=taken)
    meter.set(catalogue.REVIEW_RESTORED, value=restored)
    looked: set[str] = set()
    for review in past:
        if review.opened_at > moment.now - _LOOKED_AT:
            looked.update(item.grant_id for item in moment.plans.of(moment.reviews, review.plan_digest).items)
    covered = len(looked & moment.in_force) / len(moment.in_force) if moment.in_force else 1.0
    meter.set(catalogue.REVIEW_COVERAGE, value=covered)
    over_use = {kind for kind, row in rows.items() if row.judges == "use"}
    used = next((each for each in past if each.kind in over_use), None)
    plan = moment.plans.of(moment.reviews, used.plan_digest) if used is not None else None
    excess, people = excess_of(plan, moment.bundle)
    for name in {*excess, *moment.bundle.catalog.masks, "none"}:
        meter.set(catalogue.REVIEW_EXCESS, name, value=excess.get(name, 0))
    meter.set(catalogue.REVIEW_PEOPLE, value=people)


def due_at(row: ReviewRow, bundle: PolicyBundle, began: int, newest: Review | None, now: int) -> int:
    """Return when a kind of review became due and was not opened since (UTC nanoseconds); 0: it is not due.

    What was due before the installation began is nobody's omission; of several times that were missed the last one counts.
    """
    if row.every not in MONTHS:
        return 0
    at = last_due(row.every, row.day, bundle.calendar, now)
    return at if at > max(began, newest.opened_at if newest is not None else 0) else 0


def excess_of(plan: ReviewPlan | None, bundle: PolicyBundle) -> tuple[Mapping[str, int], int]:
    """Return how many permissions are held and not used, by data class, and of how many people's grants that was looked at."""
    found: Counter[str] = Counter()
    items = plan.items if plan is not None else ()
    for item in items:
        if item.verdict in ("reduce", "revoke"):
            columns = (each for each in item.evidence.unused if not each.object.startswith(CLASS_PREFIX))
            for each in columns:
                found.update(classes_of(bundle, each.object) or ("none",))
    return found, len({item.person_id for item in items})


def _kind(moment: Moment, meter: Meter, row: ReviewRow, newest: Review | None) -> None:
    running = newest if newest is not None and newest.running else None
    states: Counter[str] = Counter()
    waits = 0
    if running is not None:
        known = {each.number: each for each in moment.reviews.items(ItemFilter(running.review_id, limit=_ALL))}
        plan = moment.plans.of(moment.reviews, running.plan_digest)
        states.update(each.state for each in known.values())
        states["open"] = waits = sum(1 for _ in waiting(plan, known))
    for state in _STATES:
        meter.set(catalogue.REVIEW_ITEMS, row.kind, state, value=states[state])
    since = running.opened_at if running is not None and waits else 0
    meter.set(catalogue.REVIEW_UNDECIDED, row.kind, value=since / SECOND)
    meter.set(catalogue.REVIEW_LAST, row.kind, value=(newest.opened_at if newest is not None else 0) / SECOND)
    stopped = newest is not None and newest.state in ("stopped", "undone") and newest.why == SPIKE
    meter.set(catalogue.REVIEW_STOPPED, row.kind, value=stopped)
    due = due_at(row, moment.bundle, moment.began, newest, moment.now)
    late = bool(due) and moment.now > due + _GRACE
    if running is not None:
        end = running.schedule.default_at or running.schedule.office_at
        late = late or (running.state == "open" and moment.now > end + _GRACE)
    meter.set(catalogue.REVIEW_OVERDUE, row.kind, value=late)


def _quality(moment: Moment, past: Iterable[Review]) -> tuple[int, int]:
    """Return how many grants reviews took lately, and how many of those were given back soon: undone, or approved anew."""
    since = moment.now - _JUDGED
    lifted = {
        (mark.review_id, mark.number) for mark in moment.reviews.marks() if mark.lifted_at and mark.lifted_at - mark.at <= _FALSE
    }
    taken = restored = 0
    for review in past:
        for item in _took(moment.reviews, review, since):
            taken += 1
            undone = item.undone_at and item.undone_at - item.applied_at <= _FALSE
            restored += bool(undone or (item.review_id, item.number) in lifted)
    return taken, restored


def _took(reviews: Reviews, review: Review, since: int) -> list[ReviewItem]:
    items = [each for state in ("applied", "undone") for each in reviews.items(ItemFilter(review.review_id, state, limit=_ALL))]
    return [each for each in items if each.applied_at >= since]
