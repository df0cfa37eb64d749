"""Ask both sides everything about a world, and sort each answer: the same, an intended difference, or unexplained."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import NamedTuple

from differences import Meeting, explain
from oracle.ours import Ours, Refused
from oracle.theirs import Theirs
from oracle.worlds import World, make_world


class Unexplained(NamedTuple):
    """One disagreement, with all that is needed to look at it. `request` is None when loading disagrees."""

    world: World
    request: tuple[object, ...] | None
    theirs: str
    ours: str
    why: str

    def report(self) -> str:
        """Return it as text that can be pasted into a test."""
        return (
            f"theirs: {self.theirs}\nours: {self.ours}\nwhy: {self.why}\nrequest: {self.request!r}\nsuffix: {self.world.suffix!r}\n"
            f"--- model.conf\n{self.world.model}--- policy.csv\n{self.world.policy}"
        )


class Tally(NamedTuple):
    """Counts by outcome (`same allow`, `same deny`, ...) and by the id of each intended difference; and what nothing explains."""

    counts: Counter[str]
    unexplained: list[Unexplained]

    @property
    def cases(self) -> int:
        """Return how many cases these are. A world that doesn't load counts as one, not as its requests."""
        return sum(self.counts.values()) + len(self.unexplained)


def meetings(world: World) -> Iterator[Meeting]:
    """Ask both sides; yield what they said, to each request, or once if either side doesn't load."""
    try:
        theirs: Theirs | None = Theirs(world.model, world.policy, world.suffix)
        their_load = "loaded"
    except Exception as error:  # noqa: BLE001 - pycasbin raises anything
        theirs, their_load = None, repr(error)
    try:
        ours: Ours | None = Ours(world.model, world.policy, world.suffix)
        our_load, codes = "loaded", frozenset()
    except Refused as refused:
        ours, our_load, codes = None, str(refused), refused.codes
    if theirs is None or ours is None:
        yield Meeting(
            world,
            None,
            "refused" if theirs is None else "loaded",
            "refused" if ours is None else "loaded",
            codes,
            their_load,
            our_load,
        )
        return
    for request in world.requests:
        one, other = theirs.ask(request), ours.ask(request)
        why = theirs.error(request) if one == "error" and other != "error" else ""
        yield Meeting(world, request, one, other, frozenset(), why, "")


def compare(world: World, tally: Tally) -> None:
    """Add one world to a tally."""
    for met in meetings(world):
        if met.theirs == met.ours:
            tally.counts[f"same {met.theirs}"] += 1
        elif (named := explain(met)) is not None:
            tally.counts[named] += 1
        else:
            tally.unexplained.append(Unexplained(world, met.request, met.theirs, met.ours, f"{met.their_text} | {met.our_text}"))


@contextmanager
def silent() -> Iterator[None]:
    """Ignore warnings: pycasbin compiles policy text as Python, which warns about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def compare_seed(seed: int, tally: Tally) -> None:
    """Draw the world of a seed and compare."""
    with silent():
        compare(make_world(Random(seed)), tally)


def new_tally() -> Tally:
    """Return an empty tally."""
    return Tally(Counter(), [])
