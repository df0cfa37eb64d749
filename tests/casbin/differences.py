"""Where we differ from pycasbin 2.8 on purpose. Each row has an id, says when it applies, and is tested.

A row looks at what was asked, not only at what came out: a row that explained everything would prove nothing.
docs/casbin.md has the same table for people; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from casbin.effect import get_effector
from oracle.theirs import Theirs
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


def rows(met: Meeting) -> list[list[str]]:
    """Return the policy's rows, as pycasbin splits lines without brackets."""
    lines = [line.strip() for line in met.world.policy.splitlines()]
    return [[cell.strip() for cell in line.split(",")] for line in lines if line and not line.startswith("#")]


def definitions(met: Meeting) -> dict[str, list[str]]:
    """Return the fields of each definition (`r`, `p2`, `g`, ...)."""
    found = re.findall(r"^([rpg]\d?) = (.*)$", met.world.model, re.MULTILINE)
    return {name: [field.strip() for field in fields.split(",")] for name, fields in found}


def _again(met: Meeting, model: str, policy: str | None = None) -> bool:
    """Tell whether pycasbin says what we say once what it misreads is written otherwise."""
    if met.request is None:
        return False
    return Theirs(model, met.world.policy if policy is None else policy, met.world.suffix).ask(met.request) == met.ours


def _ignored_row(met: Meeting) -> bool:
    defined = definitions(met)
    for key, *cells in rows(met):
        if key not in defined:
            return True
        place = defined[key].index("eft") if key[0] == "p" and "eft" in defined[key] else -1
        if 0 <= place < len(cells) and cells[place] not in {"allow", "deny", "indeterminate"}:
            return True
    return False


def _short_row(met: Meeting) -> bool:
    defined = definitions(met)
    return any(key[0] == "p" and key in defined and len(cells) != len(defined[key]) for key, *cells in rows(met))


def _quoted(met: Meeting) -> bool:
    return '"' in met.world.policy or met.world.policy.count("(") != met.world.policy.count(")")


def _no_linear_pattern(met: Meeting) -> bool:
    """Tell whether some cell is no regular expression, or one that looks around, refers back or knows words' edges."""
    for cell in (cell for row in rows(met) for cell in row[1:]):
        if re.search(r"\(\?[=!<]|\\[1-9bB]", cell):
            return True
        try:
            re.compile(f"^{cell}$")
        except re.error:
            return True
    return False


def _unknown_name(met: Meeting) -> bool:
    """Tell whether a rule of the policy is broken that way, or a matcher names a field that its definitions lack."""
    defined = {f"{name}.{field}" for name, fields in definitions(met).items() for field in fields}
    named = set(re.findall(r"\b[rp]2?\.\w+", met.world.model.partition("[matchers]")[2]))
    return bool(named - defined) or any(rule.split("(")[0] in met.world.policy for rule in BROKEN_RULES if "nope" in rule)


def _glued(met: Meeting) -> bool:
    head, section, text = met.world.model.partition("[matchers]")
    spaced = text.replace("&&", " && ").replace("||", " || ")
    glued = re.search(r"\w(?:&&|\|\|)|(?:&&|\|\|)[\w!]", text) is not None
    return met.theirs == "error" and glued and _again(met, head + section + spaced)


def _in_force(row: list[str]) -> bool:
    """Tell whether a link's bounds, of those that worlds draw, hold in this century."""
    return row[-2] in {"_", "2001-02-03 04:05:06"} and row[-1] in {"_", "2999-01-01 00:00:00"}


def _linked_twice(met: Meeting) -> bool:
    """Tell whether pycasbin agrees once a link that is in force stands behind the others of the same pair."""
    if "(_, _)" not in met.world.model:
        return False
    links = [row for row in rows(met) if row[0] == "g" and len(row) >= 5]
    pairs = [tuple(row[1:-2]) for row in links]
    if len(set(pairs)) == len(pairs):
        return False
    lines = [line for line in met.world.policy.splitlines() if line.partition(",")[0].strip() != "g"]
    return _again(met, met.world.model, "\n".join([*lines, *(", ".join(row) for row in sorted(links, key=_in_force))]))


def _second_effect(met: Meeting) -> bool:
    """Tell whether pycasbin agrees once its effector is that of `e2`. Rules stay ordered as `e` says."""
    found = re.search(r"^e2 = (.*)$", met.world.model, re.MULTILINE)
    if met.request is None or not met.world.suffix or found is None:
        return False
    theirs = Theirs(met.world.model, met.world.policy, met.world.suffix)
    theirs.enforcer.set_effector(get_effector(found.group(1).replace("p2.", "p_")))
    return theirs.ask(met.request) == met.ours


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "D3",
        "Time bounds are checked without any registration, and a link that stands twice holds while either does;"
        " pycasbin keeps the bounds of the last.",
        frozenset(),
        _linked_twice,
    ),
    Difference(
        "D5",
        "A row of a section that the model doesn't define, and an effect other than allow, deny and indeterminate, refuse the load;"
        " pycasbin ignores them.",
        frozenset({"RULE_UNKNOWN", "EFFECT_UNKNOWN"}),
        _ignored_row,
    ),
    Difference(
        "D6",
        "A rule with too few or too many cells refuses the load; pycasbin fails on each decision.",
        frozenset({"RULE_ARITY"}),
        _short_row,
    ),
    Difference(
        "D7",
        "Quoted cells are read as RFC 4180 says, and a bracket that closes nothing refuses the load;"
        " pycasbin keeps quotes as they are and raises.",
        frozenset({"CSV_UNTERMINATED_QUOTE", "CSV_STRAY_QUOTE", "CSV_UNBALANCED"}),
        _quoted,
    ),
    Difference(
        "D12",
        "A pattern that can't run in linear time, or that is none, refuses the load; pycasbin fails on each decision that meets it, or hangs.",
        frozenset({"PATTERN_INVALID", "PATTERN_UNSUPPORTED", "PATTERN_TOO_LONG"}),
        _no_linear_pattern,
    ),
    Difference(
        "E1",
        "A matcher or an eval() rule that names an unknown field or function refuses the load; pycasbin fails on each decision that meets it.",
        frozenset({"FUNCTION_UNKNOWN", "FIELD_UNKNOWN"}),
        _unknown_name,
    ),
    Difference(
        "E2",
        "`&&` and `||` need no spaces around them; pycasbin reads `a&&b` as the name `aandb` and fails on each decision.",
        frozenset(),
        _glued,
    ),
    Difference(
        "M1",
        "`e2` decides where the second sections are asked; pycasbin combines effects by `e` whatever is asked.",
        frozenset(),
        _second_effect,
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
