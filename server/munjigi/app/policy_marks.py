"""Before a policy decides: whether it gives back what a review took. Without marks that stand, nothing is looked at."""

from __future__ import annotations

from munjigi.decision.snapshot import Snapshot
from munjigi.grants.ports import StateStore
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import MunjigiError
from munjigi.policy.types import PolicyBundle, Problem
from munjigi.review.regrants import problems_of, regrants


def given_back(store: StateStore, clock: Clock, new: PolicyBundle, now: Snapshot) -> tuple[Problem, ...]:
    """Return a problem for each rule of a new policy that gives back what a review took; one that can't be told refuses, too."""
    try:
        with store.moment() as moment:
            marks = [mark for mark in moment.reviews.marks() if not mark.lifted_at]
    except MunjigiError as error:
        message = "Whether this policy gives back what reviews took can't be told while the state store is away; reload later."
        return (Problem("", 0, 0, "error", error.reason, message),)
    return problems_of(regrants(now.bundle, new, now.grants, marks, clock.now()))
