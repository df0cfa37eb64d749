"""From the definitions of `model.conf` to fields, roles, effects and matchers. What pycasbin ignores silently is refused."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from munjigi.policy.casbin.configfile import Value, read_config
from munjigi.policy.casbin.functions import FUNCTIONS
from munjigi.policy.casbin.nodes import Call, Constant, Field, Node, walk
from munjigi.policy.casbin.parser import parse
from munjigi.policy.casbin.patterns import compiled
from munjigi.policy.casbin.program import Effect
from munjigi.policy.casbin.refusal import Refusal
from munjigi.policy.findings import Findings, quoted
from munjigi.policy.types import Problem

_SECTIONS: Final = {
    "request_definition": "r",
    "policy_definition": "p",
    "role_definition": "g",
    "policy_effect": "e",
    "matchers": "m",
}
_KEY: Final = re.compile(r"([rpgem])([2-9]|[1-9]\d{1,3})?\Z", re.ASCII)
_ROLE: Final = re.compile(r"_\s*,\s*_(?P<domain>\s*,\s*_)?(?P<bounds>\s*,\s*\(\s*_\s*,\s*_\s*\))?\Z")
_EFFECTS: Final[dict[str, Effect]] = {
    "some(where (p_eft == allow))": "allow-override",
    "!some(where (p_eft == deny))": "deny-override",
    "some(where (p_eft == allow)) && !some(where (p_eft == deny))": "allow-and-deny",
    "priority(p_eft) || deny": "priority",
    "subjectPriority(p_eft) || deny": "priority",
}
_PREFIX: Final = re.compile(r"\b([rp]\d*)\.")


class RoleShape(NamedTuple):
    """What a role definition says: whether it has a domain, and time bounds."""

    domains: bool
    conditional: bool

    @property
    def cells(self) -> int:
        """Return how many cells a link has at least."""
        return 2 + self.domains + 2 * self.conditional


class Formula(NamedTuple):
    """A matcher: the request and policy definitions that it is about, and what it says."""

    request: str
    policy: str
    node: Node


class Model(NamedTuple):
    """A model file. `by_subject`: rules are ordered by the subjects' place in `g`. `unusable` are the matchers that are none."""

    requests: dict[str, tuple[str, ...]]
    policies: dict[str, tuple[str, ...]]
    roles: dict[str, RoleShape]
    effects: dict[str, Effect]
    by_subject: bool
    formulas: dict[str, Formula]
    unusable: dict[str, Problem]


def read_model(file: str, text: str, findings: Findings, asked: str = "m") -> Model | None:
    """Return the model, or None after reporting why there is none.

    A matcher other than the `asked` one may be none: as in pycasbin, it is an error of whoever asks by it.
    """
    before = findings.count
    model = Model({}, {}, {}, {}, _by_subject(read := read_config(file, text, findings)), {}, {})
    kinds: dict[str, list[Value]] = {kind: [] for kind in "rpgem"}
    for value in read:
        kind = _kind(file, value, findings)
        if kind:
            kinds[kind].append(value)
    for kind, values in kinds.items():
        _check_numbers(file, kind, values, findings)
    for value in kinds["r"]:
        model.requests[value.key] = _fields(file, value, findings)
    for value in kinds["p"]:
        model.policies[value.key] = _fields(file, value, findings)
    for value in kinds["g"]:
        _role(file, value, model, findings)
    for value in kinds["e"]:
        _effect(file, value, model, findings)
    for kind, name in (("r", "request_definition"), ("p", "policy_definition"), ("e", "policy_effect"), ("m", "matchers")):
        if not any(value.key == kind for value in kinds[kind]):
            findings.error(file, 0, 0, "MODEL_INCOMPLETE", f"`{kind}` is missing; define it in [{name}].")
    if findings.count > before:
        return None
    for value in kinds["m"]:
        _matcher(file, value, model, findings, asked)
    return model if findings.count == before else None


def _by_subject(values: list[Value]) -> bool:
    return any(value.key == "e" and _PREFIX.sub(r"\1_", _uncommented(value.text)).startswith("subject") for value in values)


def _kind(file: str, value: Value, findings: Findings) -> str:
    line, column = value.pieces[0].line, value.pieces[0].column
    kind = _SECTIONS.get(value.section)
    if kind is None:
        known = ", ".join(f"[{each}]" for each in _SECTIONS)
        findings.error(file, line, column, "MODEL_UNKNOWN_SECTION", f"This stands in no known section; known: {known}.")
        return ""
    key = _KEY.match(value.key)
    if not key or key.group(1) != kind:
        findings.error(file, line, column, "MODEL_UNKNOWN_KEY", f"In [{value.section}] stand `{kind}`, `{kind}2`, `{kind}3`, ...")
        return ""
    if not value.text:
        findings.error(file, line, column, "MODEL_EMPTY", "This definition is empty; fill it in or remove it.")
        return ""
    return kind


def _check_numbers(file: str, kind: str, values: list[Value], findings: Findings) -> None:
    """Report a definition that pycasbin would never reach: it stops at the first number that is missing."""
    keys = {value.key for value in values}
    for value in values:
        number = int(value.key[1:] or 1)
        before = kind if number == 2 else f"{kind}{number - 1}"
        if number > 1 and before not in keys:
            piece = value.pieces[0]
            findings.error(
                file, piece.line, piece.column, "MODEL_GAP", f"`{before}` is missing; number definitions without a gap."
            )


def _fields(file: str, value: Value, findings: Findings) -> tuple[str, ...]:
    names: list[str] = []
    at = 0
    for part in value.text.split(","):
        name = part.strip()
        line, column = value.place(at + len(part) - len(part.lstrip()))
        if not name.isidentifier():
            findings.error(
                file, line, column, "FIELD_INVALID", "A field's name has letters, digits and _; a comment has its own line."
            )
        elif name in names:
            findings.error(file, line, column, "FIELD_TWICE", f"{quoted(name)} stands twice; keep one.")
        names.append(name)
        at += len(part) + 1
    return tuple(names)


def _role(file: str, value: Value, model: Model, findings: Findings) -> None:
    found = _ROLE.match(value.text)
    if found:
        model.roles[value.key] = RoleShape(found["domain"] is not None, found["bounds"] is not None)
        return
    line, column = value.place(0)
    message = (
        "A role definition is `_, _`, `_, _, _` with a domain, and ends with `, (_, _)` where links have a start and an end."
    )
    findings.error(file, line, column, "ROLE_INVALID", message)


def _effect(file: str, value: Value, model: Model, findings: Findings) -> None:
    text = _PREFIX.sub(r"\1_", _uncommented(value.text))
    number = value.key[1:]
    effect = _EFFECTS.get(text) or _EFFECTS.get(text.replace(f"p{number}_eft", "p_eft"))
    if effect is None:
        line, column = value.place(0)
        known = "; ".join(each.replace("p_eft", "p.eft") for each in _EFFECTS)
        findings.error(file, line, column, "EFFECT_UNKNOWN", f"There is no such effect; known: {known}.")
        return
    model.effects[value.key] = effect


def _uncommented(text: str) -> str:
    # pycasbin cuts effects and matchers at the first #, even in quotes.
    return text.split("#", 1)[0].strip() if "#" in text else text


def _matcher(file: str, value: Value, model: Model, findings: Findings, asked: str) -> None:
    try:
        model.formulas[value.key] = read_formula(_uncommented(value.text), value.key[1:], model)
    except Refusal as refusal:
        line, column = value.place(refusal.at)
        if value.key == asked:
            findings.error(file, line, column, refusal.code, refusal.message)
        else:
            model.unusable[value.key] = findings.warning(file, line, column, refusal.code, refusal.message)


def read_formula(text: str, number: str, model: Model) -> Formula:
    """Read a matcher; `number` is that of its name and says what it is about where it names no field.

    Raises `Refusal`.
    """
    scope = Scope(model)
    node = parse(text, scope.resolve, model.roles, evals=True)
    check_patterns(node)
    request = scope.used["r"] or (f"r{number}" if f"r{number}" in model.requests else "r")
    policy = scope.used["p"] or (f"p{number}" if f"p{number}" in model.policies else "p")
    return Formula(request, policy, node)


def check_patterns(node: Node) -> None:
    """Compile each pattern that an expression itself holds. Raises `Refusal` at the first that is none."""
    for each in walk(node):
        if not isinstance(each, Call) or not FUNCTIONS[each.name].pattern:
            continue
        pattern = each.args[1]
        if isinstance(pattern, Constant) and isinstance(pattern.value, str):
            try:
                compiled(each.name, pattern.value)
            except Refusal as refusal:
                raise Refusal(pattern.at, refusal.code, refusal.message) from None


class Scope:
    """The fields that an expression may name: of one request definition and of one policy definition."""

    def __init__(self, model: Model, request: str = "", policy: str = "") -> None:
        self._names = {
            f"{key}_{name}": (key, index)
            for group in (model.requests, model.policies)
            for key, names in group.items()
            for index, name in enumerate(names)
        }
        self.used = {"r": request, "p": policy}

    def resolve(self, name: str, at: int) -> Field | None:
        """Return the field of a name such as `r2_sub`, or None. Raises `Refusal` when it mixes definitions."""
        found = self._names.get(name)
        if found is None:
            return None
        key, index = found
        side = key[0]
        if self.used[side] not in {"", key}:
            raise Refusal(at, "MATCHER_MIXED", f"This expression is about `{self.used[side]}`; it can't name `{key}` as well.")
        self.used[side] = key
        return Field("r" if side == "r" else "p", index, at)
