"""What whoever plans reviews is asked, and what it answers."""

from __future__ import annotations

from typing import NamedTuple


class ReviewOrder(NamedTuple):
    """What to plan, out of a state folder. Times are UTC nanoseconds: at `now`, what was before `cutoff` is judged; 0: as far as use is known.

    A trial (`dry_run`) with a cutoff judges the grants that were held then; it allows each to lie unused for `unused_days` if that is not 0, and
    tells the excess of so many `months` before, too.
    """

    kind: str
    now: int
    cutoff: int = 0
    dry_run: bool = False
    unused_days: int = 0
    months: int = 0
    state_dir: str = ""


class Excess(NamedTuple):
    """What a plan of a moment says: grants, those that would go or be narrowed, permissions held, and those of them not used."""

    at: int
    grants: int
    revoke: int
    reduce: int
    permissions: int
    unused: int


class ReviewMade(NamedTuple):
    """A plan's canonical bytes, and the excess over time, oldest first; or why there is none, as the error of this code's tree."""

    plan: bytes = b""
    excess: tuple[Excess, ...] = ()
    refusal: str = ""  # the error's class
    reason: str = ""
    message: str = ""
