"""Where we differ from pycasbin 2.8 on purpose. Each row has an id, says when it applies, and is tested.

A row looks at what was asked, not only at what came out: a row that explained everything would prove nothing.
docs/casbin.md has the same table for people; a test compares the two.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import combinations
from types import SimpleNamespace
from typing import NamedTuple
from unittest import mock

from casbin.effect import get_effector
from casbin.util import builtin_operators
from oracle.theirs import Theirs
from oracle.vocabulary import BROKEN_RULES
from oracle.worlds import World
from simpleeval import DEFAULT_OPERATORS


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
    """An intended difference: of loading, or of a request.

    `codes` are our refusals at load that it explains where it `applies`. `rewrite` writes a world so that pycasbin reads
    it as we do, or returns None where there is nothing to rewrite: the difference explains an answer if they then agree.
    Where no text says it, `reading` has pycasbin read as we do for as long as it is asked again.
    """

    id: str
    what: str
    codes: frozenset[str] = frozenset()
    applies: Callable[[World], bool] = lambda _: False
    rewrite: Callable[[World], World | None] | None = None
    reading: Callable[[], AbstractContextManager[object]] | None = None


def rows(world: World) -> list[list[str]]:
    """Return the policy's rows, as pycasbin splits lines without brackets."""
    lines = [line.strip() for line in world.policy.splitlines()]
    return [[cell.strip() for cell in line.split(",")] for line in lines if line and not line.startswith("#")]


def definitions(world: World) -> dict[str, list[str]]:
    """Return the fields of each definition (`r`, `p2`, `g`, ...)."""
    found = re.findall(r"^([rpg]\d?) = (.*)$", world.model, re.MULTILINE)
    return {name: [field.strip() for field in fields.split(",")] for name, fields in found}


def _model_lines(world: World) -> list[tuple[str, str]]:
    """Return each definition's name and text, as often as it stands. A line that ends with `\\` goes on in the next one."""
    return re.findall(r"^(\w+) =[ \t]*(.*)$", re.sub(r"\\\n\s*", "", world.model), re.MULTILINE)


def _defined_twice(world: World) -> bool:
    names = [name for name, _ in _model_lines(world)]
    fields = definitions(world).values()
    return len(names) != len(set(names)) or any(len(each) != len(set(each)) for each in fields if each != ["_"] * len(each))


def _after_a_gap(world: World) -> bool:
    lines = _model_lines(world)
    names = {name for name, _ in lines}
    return any(not text for _, text in lines) or any(
        name[1:].isdecimal() and int(name[1:]) > 2 and f"{name[0]}{int(name[1:]) - 1}" not in names for name in names
    )


def _commented_field(world: World) -> bool:
    return re.search(r"^[rp]\d* = .*[#;]", world.model, re.MULTILINE) is not None


def _mixed(world: World) -> bool:
    text = dict(_model_lines(world)).get(f"m{world.suffix}", "")
    return any(len(set(re.findall(rf"\b{side}\d*(?=\.)", text))) > 1 for side in "rp")


def _marked(world: World) -> bool:
    return world.policy.startswith("\ufeff")


def _unknown_section(world: World) -> bool:
    known = {"request_definition", "policy_definition", "role_definition", "policy_effect", "matchers"}
    return not set(re.findall(r"^\[(\w+)\]$", world.model, re.MULTILINE)) <= known


def _ignored_row(world: World) -> bool:
    if _unknown_section(world):
        return True
    defined = definitions(world)
    for key, *cells in rows(world):
        if key not in defined:
            return True
        place = defined[key].index("eft") if key[0] == "p" and "eft" in defined[key] else -1
        if 0 <= place < len(cells) and cells[place] not in {"allow", "deny", "indeterminate"}:
            return True
    return False


def _short_row(world: World) -> bool:
    defined = definitions(world)
    return any(key[0] == "p" and key in defined and len(cells) != len(defined[key]) for key, *cells in rows(world))


def _quoted(world: World) -> bool:
    return '"' in world.policy or world.policy.count("(") != world.policy.count(")")


def _looks_around(pattern: str) -> bool:
    """Tell whether a regular expression looks around, refers back or knows words' edges."""
    return re.search(r"\(\?[=!<]|\\[1-9bB]", pattern) is not None


def _no_linear_pattern(world: World) -> bool:
    """Tell whether some cell is no regular expression, or one that can't run in linear time."""
    for cell in (cell for row in rows(world) for cell in row[1:]):
        if _looks_around(cell):
            return True
        try:
            re.compile(f"^{cell}$")
        except re.error:
            return True
    return False


def _asked_with_pattern(world: World) -> World | None:
    """Return the world if a request brings a pattern that can't run in linear time."""
    return world if any(isinstance(each, str) and _looks_around(each) for request in world.requests for each in request) else None


@contextmanager
def _linear_patterns() -> Iterator[None]:
    """Let pycasbin's functions fail on what can't run in linear time."""

    def checked(apply: Callable[..., object]) -> Callable[..., object]:
        def checking(pattern: str, *arguments: object) -> object:
            if _looks_around(pattern):
                raise re.error(pattern)
            return apply(pattern, *arguments)

        return checking

    there = SimpleNamespace(**{**vars(re), "match": checked(re.match), "compile": checked(re.compile)})
    with mock.patch.object(builtin_operators, "re", there):
        yield


def _with_remainder(world: World) -> World | None:
    """Return the world if its matcher or its rules have a `%`."""
    return world if "%" in world.model or "%" in world.policy else None


def _remainder(left: object, right: object) -> object:
    if isinstance(left, (str, bytes)):
        raise TypeError
    return operator.mod(left, right)


def _unknown_name(world: World) -> bool:
    """Tell whether a rule of the policy is broken that way, or a matcher names a field that its definitions lack."""
    defined = {f"{name}.{field}" for name, fields in definitions(world).items() for field in fields}
    named = set(re.findall(r"\b[rp]\d*\.\w+", world.model.partition("[matchers]")[2]))
    return bool(named - defined) or any(rule.split("(")[0] in world.policy for rule in BROKEN_RULES if "nope" in rule)


def _spaced(world: World) -> World | None:
    """Write a matcher's `&&` and `||` so that pycasbin reads them."""
    head, section, text = world.model.partition("[matchers]")
    if re.search(r"\w(?:&&|\|\|)|(?:&&|\|\|)[\w!]", text) is None:
        return None
    return world._replace(model=head + section + text.replace("&&", " && ").replace("||", " || "))


def _in_force(row: list[str]) -> bool:
    """Tell whether a link's bounds, of those that worlds draw, hold in this century."""
    return row[-2] in {"_", "2001-02-03 04:05:06"} and row[-1] in {"_", "2999-01-01 00:00:00"}


def _last_in_force(world: World) -> World | None:
    """Put the links that are in force behind the others of the same pair, where pycasbin sees them."""
    links = [row for row in rows(world) if row[0] == "g" and len(row) >= 5]
    if "(_, _)" not in world.model or len({tuple(row[1:-2]) for row in links}) == len(links):
        return None
    others = [line for line in world.policy.splitlines() if line.partition(",")[0].strip() != "g"]
    return world._replace(policy="\n".join([*others, *(", ".join(row) for row in sorted(links, key=_in_force))]))


def _own_effect(world: World) -> World | None:
    """Ask with the effect of `e2`; `ask_again` sets it, since pycasbin orders rules by `e` before."""
    return world if world.suffix and re.search("^e2 = ", world.model, re.MULTILINE) else None


def ask_again(world: World, request: tuple[object, ...], *, own_effect: bool) -> str:
    """Return what pycasbin says about a world that is written so that it reads it as we do."""
    theirs = Theirs(world.model, world.policy, world.suffix)
    if own_effect:
        found = re.findall(r"^e2 = (.*)$", world.model, re.MULTILINE)
        theirs.enforcer.set_effector(get_effector(found[0].replace("p2.", "p_")))
    return theirs.ask(request)


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "D3",
        "Time bounds are checked without any registration, and a link that stands twice holds while either does;"
        " pycasbin keeps the bounds of the last.",
        rewrite=_last_in_force,
    ),
    Difference(
        "D5",
        "A section that is not known, a row of a section that the model doesn't define, and an effect other than allow, deny and"
        " indeterminate refuse the load;"
        " pycasbin ignores them.",
        frozenset({"RULE_UNKNOWN", "EFFECT_UNKNOWN", "MODEL_UNKNOWN_SECTION"}),
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
        "A pattern that can't run in linear time, or that is none, refuses the load, and one that a request brings is an error of the decision;"
        " pycasbin fails on each decision that meets it, or hangs.",
        frozenset({"PATTERN_INVALID", "PATTERN_UNSUPPORTED", "PATTERN_TOO_LONG"}),
        _no_linear_pattern,
        _asked_with_pattern,
        _linear_patterns,
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
        rewrite=_spaced,
    ),
    Difference(
        "E7",
        "`%` is the remainder of numbers; pycasbin formats a text with it as well, as wide as a request likes.",
        rewrite=_with_remainder,
        reading=lambda: mock.patch.dict(DEFAULT_OPERATORS, {ast.Mod: _remainder}),
    ),
    Difference(
        "M1",
        "`e2` decides where the second sections are asked; pycasbin combines effects by `e` whatever is asked.",
        rewrite=_own_effect,
    ),
    Difference(
        "M2",
        "A definition or a field that stands twice refuses the load; of two pycasbin forgets the first.",
        frozenset({"MODEL_TWICE", "FIELD_TWICE"}),
        _defined_twice,
    ),
    Difference(
        "M3",
        "A definition after a gap in the numbers, or an empty one, refuses the load; pycasbin stops there.",
        frozenset({"MODEL_GAP", "MODEL_EMPTY"}),
        _after_a_gap,
    ),
    Difference(
        "M4",
        "A matcher that is asked by and mixes two request or policy definitions refuses the load; pycasbin fails on each decision"
        " that meets the other's field.",
        frozenset({"MATCHER_MIXED"}),
        _mixed,
    ),
    Difference(
        "M5",
        "A comment behind the fields of `r` or `p` refuses the load; to pycasbin it is part of the last field's name.",
        frozenset({"FIELD_INVALID"}),
        _commented_field,
    ),
    Difference(
        "M6",
        "A file that starts with a byte order mark is refused; to pycasbin it is part of the first row's name, which is then ignored.",
        frozenset({"FILE_HAS_BOM"}),
        _marked,
    ),
    Difference(
        "M7",
        "A file beyond the stated limits is refused; pycasbin has none.",
        frozenset({"POLICY_TOO_LONG"}),
        lambda world: world.policy.count("\n") > 1_000_000,
    ),
)


def explain(met: Meeting) -> str | None:
    """Return the ids of the differences that explain a disagreement, or None."""
    return _explain_load(met) if met.request is None else _explain_answer(met, met.request)


def _explain_load(met: Meeting) -> str | None:
    if (met.theirs, met.ours) != ("loaded", "refused"):
        return None
    named = [each for each in DIFFERENCES if each.codes & met.codes and each.applies(met.world)]
    return "+".join(each.id for each in named) if met.codes <= frozenset().union(*(each.codes for each in named)) else None


def _explain_answer(met: Meeting, request: tuple[object, ...]) -> str | None:
    """Try each difference by itself, then two and three together."""
    rewriting = [each for each in DIFFERENCES if each.rewrite is not None]
    for many in range(1, len(rewriting) + 1):
        for some in combinations(rewriting, many):
            world: World | None = met.world
            with ExitStack() as readings:
                for each in some:
                    world = each.rewrite(world) if world is not None and each.rewrite is not None else None
                    if each.reading is not None:
                        readings.enter_context(each.reading())
                if world is not None and ask_again(world, request, own_effect="M1" in {each.id for each in some}) == met.ours:
                    return "+".join(each.id for each in some)
    return None
