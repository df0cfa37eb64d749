"""Before a policy decides: whether it gives back what a review took. Without marks that stand, nothing is looked at."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from munjigi.adapters.policy_files import load_bundle
from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Holdings
from munjigi.grants.ports import StateStore
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import ConfigurationError, Corruption, FailedPrecondition, MunjigiError, NotFound
from munjigi.kernel.review import Mark
from munjigi.policy.types import PolicyBundle, Problem
from munjigi.review.regrants import problems_of, regrants

_LOGGER: Final = logging.getLogger("munjigi.policy")


def given_back(store: StateStore, clock: Clock, new: PolicyBundle, now: Snapshot) -> tuple[Problem, ...]:
    """Return a problem for each rule of a new policy that gives back what a review took; one that can't be told refuses, too."""
    try:
        marks = _standing(store)
    except MunjigiError as error:
        message = "Whether this policy gives back what reviews took can't be told while the state store is away; reload later."
        return (Problem("", 0, 0, "error", error.reason, message),)
    return problems_of(regrants(now.bundle, new, now.grants, marks, clock.now()))


def given_back_since(
    store: StateStore, clock: Clock, kept: Path, holdings: Holdings, new: PolicyBundle, last: str
) -> tuple[Problem, ...]:
    """Do the same at a start, when nothing decides: beside revision `last`, which decided last; empty where none ever did here.

    Raises `ConfigurationError` when that one can't be read, and what the store raises.
    """
    if new.revision == last or not (marks := _standing(store)):
        return ()
    if not last:
        _LOGGER.warning(
            "reviews took rights, and no policy has decided here before: whether this one gives them back was not looked at",
            extra={"revision": new.revision[:12], "marks": len(marks)},
        )
        return ()
    try:
        before = load_bundle(kept, last)
    except (NotFound, Corruption, FailedPrecondition) as error:
        raise ConfigurationError(
            "POLICY_BEFORE_UNREADABLE",
            f"Refusing to start: reviews took rights, and whether the policy home gives them back is told by the policy that decided last. "
            f"{error.message} Or start with the policy home of then, and change it afterwards.",
        ) from error
    return problems_of(regrants(before, new, holdings, marks, clock.now()))


def _standing(store: StateStore) -> list[Mark]:
    with store.moment() as moment:
        return [mark for mark in moment.reviews.marks() if not mark.lifted_at]
