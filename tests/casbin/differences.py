"""Where we differ from pycasbin 2.8 on purpose. Each row has an id, says when it applies, and is tested.

A row looks at what was asked, not only at what came out: a row that explained everything would prove nothing.
docs/casbin.md has the same table for people; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from oracle.vocabulary import BROKEN_RULES
from oracle.worlds import World


class Meeting(NamedTuple):
    """What both sides said: `loaded`, `refused`, `allow`, `deny` or `error`.

    `request` is None when it is about loading. `codes` are those of our refusal; the texts say why, to people.
    """

    world: World
    request: tuple[object, ...] | None
    theirs: str
    ours: str
    codes: frozenset[str]
    their_text: str
    our_text: str


class Difference(NamedTuple):
    """An intended difference. `codes`: the refusals at load that it explains; without any it is about a request."""

    id: str
    what: str
    codes: frozenset[str]
    applies: Callable[[Meeting], bool]


def cells(met: Meeting) -> list[str]:
    """Return the cells of the policy's rules, as pycasbin splits lines without brackets."""
    return [cell.strip() for line in met.world.policy.splitlines() for cell in line.split(",")[1:]]


def _no_linear_pattern(met: Meeting) -> bool:
    """Tell whether some cell is no regular expression, or one that looks around, refers back or knows words' edges."""
    for cell in cells(met):
        if re.search(r"\(\?[=!<]|\\[1-9bB]", cell):
            return True
        try:
            re.compile(cell)
        except re.error:
            return True
    return False


def _unknown_name(met: Meeting) -> bool:
    """Tell whether a rule of the policy is broken that way, or a matcher names a field that its definitions lack."""
    defined = {
        f"{name}.{field.strip()}"
        for name, fields in re.findall(r"^([rp]2?) = (.*)$", met.world.model, re.MULTILINE)
        for field in fields.split(",")
    }
    named = set(re.findall(r"\b[rp]2?\.\w+", met.world.model.partition("[matchers]")[2]))
    return bool(named - defined) or any(rule.split("(")[0] in met.world.policy for rule in BROKEN_RULES if "nope" in rule)


def rules(met: Meeting) -> list[str]:
    """Return the lines of the policy that are rules of the sections asked."""
    return [line for line in met.world.policy.splitlines() if line.partition(",")[0].strip() == f"p{met.world.suffix}"]


def matcher(met: Meeting) -> str:
    """Return the text of the matcher asked."""
    return met.world.model.rpartition(f"m{met.world.suffix} = ")[2].replace("\\\n", "")


def _without_rules(met: Meeting) -> bool:
    return not rules(met) and met.ours == "deny"


def _glued(met: Meeting) -> bool:
    return met.theirs == "error" and re.search(r"\w(?:&&|\|\|)|(?:&&|\|\|)\w", matcher(met)) is not None


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "D12",
        "A pattern that can't run in linear time, or that is none, is refused at load; pycasbin fails on each decision that meets it.",
        frozenset({"PATTERN_INVALID", "PATTERN_UNSUPPORTED", "PATTERN_TOO_LONG"}),
        _no_linear_pattern,
    ),
    Difference(
        "E1",
        "A matcher or eval() rule that names no field or function is refused at load; pycasbin fails on each decision that meets it.",
        frozenset({"FUNCTION_UNKNOWN", "FIELD_UNKNOWN"}),
        _unknown_name,
    ),
    Difference(
        "D8",
        "Without any rule, a rule's fields equal and match nothing; pycasbin evaluates the matcher on empty texts, which may allow or fail.",
        frozenset(),
        _without_rules,
    ),
    Difference(
        "E2",
        "`&&` and `||` need no spaces around them; pycasbin reads `a&&b` as the name `aandb` and fails on each decision.",
        frozenset(),
        _glued,
    ),
)


def explain(met: Meeting) -> str | None:
    """Return the ids of the differences that explain a disagreement, or None."""
    if met.request is None:
        if (met.theirs, met.ours) != ("loaded", "refused"):
            return None
        named = [each for each in DIFFERENCES if each.codes & met.codes and each.applies(met)]
        return "+".join(each.id for each in named) if met.codes <= frozenset().union(*(each.codes for each in named)) else None
    return next((each.id for each in DIFFERENCES if not each.codes and each.applies(met)), None)
