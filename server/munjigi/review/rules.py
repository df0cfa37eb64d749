"""What becomes of a grant, as a table: the first rule that applies decides. The rules are those of REVIEW (R1 to R11).

`VERSION` is part of a plan's digest: raise it with every change of the table or of what its facts mean.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from munjigi.kernel.grant import Scope
from munjigi.kernel.review import Permission, Verdict
from munjigi.policy.review_rows import ReviewRow

VERSION: Final = 1


class Facts(NamedTuple):
    """All that is judged of one grant. Times are UTC nanoseconds.

    `aged_from`: what is in force since then is old enough to be judged (R5). `since`: how far back the grant's threshold reaches (R6).
    `covered_from`: since when all use is known (R11). `used` is what was used since then, `young` what its role got only lately,
    `left` the smallest scope that leaves both, None where that takes nothing away. `needed`: past decisions of today's use need
    more of it than would be left (R4). `redundant`: others that stay allow all that was used of it (R2).
    """

    starts_at: int
    aged_from: int
    since: int
    covered_from: int
    used: frozenset[Permission]
    young: frozenset[Permission]
    left: Scope | None
    excepted: bool = False
    suspended: bool = False
    privileged: bool = False
    needed: bool = False
    redundant: bool = False


class Rule(NamedTuple):
    """A verdict, the code that a plan names it by, and when it applies."""

    name: str
    verdict: Verdict
    applies: Callable[[Facts], bool]


EXCEPTED: Final = Rule("EXCEPTED", "keep", lambda facts: facts.excepted)
SUSPENDED: Final = Rule("SUSPENDED", "keep", lambda facts: facts.suspended)
NAMED: Final = Rule("NAMED_REVIEW", "ask", lambda facts: facts.privileged)
FRESH: Final = Rule("FRESH", "keep", lambda facts: facts.starts_at > facts.aged_from)
WITHIN_CADENCE: Final = Rule("WITHIN_CADENCE", "keep", lambda facts: facts.starts_at > facts.since)
NOT_COVERED: Final = Rule("NOT_COVERED", "keep", lambda facts: facts.covered_from > facts.since)
NEEDED: Final = Rule("NEEDED_BY_REPLAY", "keep", lambda facts: facts.needed)
UNUSED: Final = Rule("UNUSED", "revoke", lambda facts: not facts.used and not facts.young)
REDUNDANT: Final = Rule("REDUNDANT", "revoke", lambda facts: facts.redundant)
PARTLY_USED: Final = Rule("PARTLY_USED", "reduce", lambda facts: facts.left is not None)
IN_USE: Final = Rule("IN_USE", "keep", lambda _: True)

USE: Final = (
    EXCEPTED,
    SUSPENDED,
    NAMED,
    FRESH,
    WITHIN_CADENCE,
    NOT_COVERED,
    NEEDED,
    UNUSED,
    REDUNDANT,
    PARTLY_USED,
    IN_USE,
)
HOLDERS: Final = (EXCEPTED, Rule("NAMED_REVIEW", "ask", lambda _: True))


class Account(NamedTuple):
    """What is judged of an account and each of its grants (R9). `last_at` is the last use, or the start, of any of its grants."""

    last_at: int
    lock_from: int
    remove_from: int
    covered_from: int
    excepted: bool = False
    suspended: bool = False
    privileged: bool = False


class AccountRule(NamedTuple):
    """A verdict on the grants of an account, the code that a plan names it by, and when it applies."""

    name: str
    verdict: Verdict
    applies: Callable[[Account], bool]


ACCOUNTS: Final = (
    AccountRule("EXCEPTED", "keep", lambda facts: facts.excepted),
    AccountRule("SUSPENDED", "keep", lambda facts: facts.suspended),
    AccountRule("ACCOUNT_IN_USE", "keep", lambda facts: facts.last_at >= facts.lock_from),
    AccountRule("NOT_COVERED", "keep", lambda facts: facts.covered_from > facts.lock_from),
    AccountRule("NAMED_REVIEW", "ask", lambda facts: facts.privileged),
    AccountRule("DORMANT_REMOVE", "revoke", lambda facts: max(facts.last_at, facts.covered_from) < facts.remove_from),
    AccountRule("DORMANT_LOCK", "ask", lambda _: True),
)

COVERING: Final = frozenset((EXCEPTED.name, FRESH.name, WITHIN_CADENCE.name, NOT_COVERED.name, NEEDED.name))
"""Rules that keep a grant as it is and in force, so that it can stand in for another one."""


def judge(facts: Facts, rules: Sequence[Rule] = USE) -> Rule:
    """Return the rule that decides."""
    return next(rule for rule in rules if rule.applies(facts))


def judge_account(facts: Account, rules: Sequence[AccountRule] = ACCOUNTS) -> AccountRule:
    """Return the rule that decides on an account's grants."""
    return next(rule for rule in rules if rule.applies(facts))


class Candidate(NamedTuple):
    """A grant among those of one account and purpose: what of it was used, how long it lasts, and how much it allows."""

    grant_id: str
    used: frozenset[Permission]
    ends_at: int
    held: int


def redundant(candidates: Iterable[Candidate], staying: Iterable[Candidate] = ()) -> frozenset[str]:
    """Return the ids of the candidates that others make needless (R2, R3): what is left covers all that was used, and no less of it.

    One goes only when each of its used permissions was used of another one, too, that stays and lasts at least as long. The one of
    which least was used is tried first, then the one that ends first, then the one that allows most.
    """
    tried = sorted(candidates, key=lambda each: (len(each.used), each.ends_at, -each.held, each.grant_id))
    ends: dict[Permission, list[int]] = {}  # of the grants that are left and were used for it, in order
    for each in (*tried, *staying):
        for permission in each.used:
            insort(ends.setdefault(permission, []), each.ends_at)
    gone: set[str] = set()
    for each in tried:
        if each.used and all(_others_last(ends[permission], each.ends_at) for permission in each.used):
            gone.add(each.grant_id)
            for permission in each.used:
                del ends[permission][bisect_left(ends[permission], each.ends_at)]
    return frozenset(gone)


def _others_last(ends: Sequence[int], end: int) -> bool:
    """Tell whether there is an end beside `end`, which is one of these, that is not before it."""
    return len(ends) - bisect_left(ends, end) > 1


def sensitive_first(classes: Iterable[str], defaults: Mapping[str, str]) -> str:
    """Return the class of the strictest default among some, the first by name; empty when there are none."""
    return min(classes, key=lambda each: (defaults.get(each, defaults.get("", "")) != "revoke", each), default="")


def rules_digest(row: ReviewRow) -> str:
    """Return the SHA-256 of a row and of the version of the rules, hex."""
    return hashlib.sha256(msgspec.msgpack.encode((VERSION, row))).hexdigest()
