"""Translate the `cond` cell of a rule into callables.

A condition is an expression of the Casbin language (`policy.casbin.parser`) of which only what is typed and decidable may
stand here; pycasbin's `eval(p.cond)` gives the same text the same meaning. Nothing of it is ever run as Python.

    True                                                  no condition
    r.ctx.device                                          a flag
    r.ctx.principal_type == "employee"                    also !=
    r.ctx.department in ("fraud", "privacy")              also not in
    9 <= r.ctx.hour < 18                                  numbers: < <= > >=, chains too
    ipMatch(r.ctx.ip, "10.0.0.0/8")                       address or network
    A && B, A || B, !A                                    or: A and B, A or B, not A

`policy.attributes` lists the attributes with their types, which are checked here. An address that cannot be read, or
a day that the calendar does not cover, leaves a condition undecided; an undecided allow does not hold and an
undecided deny does (promise P3).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, NamedTuple

from munjigi.policy.attributes import CONTEXT, REQUEST, Kind
from munjigi.policy.casbin.nodes import Attribute, Call, Compare, Constant, Field, Items, Junction, Node, Unary, walk
from munjigi.policy.casbin.parser import parse
from munjigi.policy.casbin.refusal import Refusal
from munjigi.policy.findings import quoted
from munjigi.policy.types import Condition, Context

MAX_CONDITION: Final = 1000
_MAX_DEPTH: Final = 30
_FIELDS: Final = (*REQUEST, "ctx")
# pycasbin replaces && by `and` without adding spaces, and rewrites these in quotes, too.
_CRAMPED: Final = re.compile(r"\w(?:&&|\|\|)|(?:&&|\|\|)\w", re.ASCII)
_REWRITTEN: Final = re.compile(r"&&|\|\||!(?!=)|\b[rp]\d*\.")

Value = Callable[[str, str, str, str, Context], str | bool | int]


class ConditionError(Exception):
    """Why a condition is refused, and at which character of the cell (from 1)."""

    def __init__(self, message: str, character: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.character = character


class UndecidedError(Exception):
    """The question lacks what the condition needs: `name`, such as `ip`, of r.ctx."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Typed(NamedTuple):
    """A part of a condition. `values` are all that a text can be, empty for any; `constant` is set for what is written out."""

    kind: Kind
    value: Value
    values: tuple[str, ...] = ()
    constant: str | bool | int | None = None


class Expression(NamedTuple):
    """A condition that was read: its value, which may raise `UndecidedError`, its nodes, and the attributes that it reads."""

    value: Value
    node: Node
    reads: frozenset[str]


def _of_request(position: int) -> Value:
    return lambda *question: question[position]


def _of_context(name: str) -> Value:
    look = operator.attrgetter(name)

    def value(_sub: str, _obj: str, _act: str, _purpose: str, ctx: Context) -> str | bool | int:
        found: str | bool | int | None = look(ctx)
        if found is None:
            raise UndecidedError(name)
        return found

    return value


_READ: Final[dict[str, _Typed]] = {
    f"r.{name}": _Typed(each.kind, _of_request(position), each.values) for position, (name, each) in enumerate(REQUEST.items())
} | {f"r.ctx.{name}": _Typed(each.kind, _of_context(name), each.values) for name, each in CONTEXT.items()}
_SIGNS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def translate(text: str, *, allow: bool) -> Condition | None:
    """Return a condition's callable, or None for `True`. `allow` tells the effect of its rule.

    Raises `ConditionError` when the text is not of the language above.
    """
    if text == "True":
        return None
    found = read(text).value
    undecided = not allow

    def condition(sub: str, obj: str, act: str, purpose: str, ctx: Context) -> bool:
        try:
            return bool(found(sub, obj, act, purpose, ctx))
        except UndecidedError:
            return undecided

    return condition


@lru_cache(maxsize=4096)
def read(text: str) -> Expression:
    """Read a condition. Raises `ConditionError` as `translate` does."""
    if not text:
        raise ConditionError("The condition is empty; write `True` for none.")
    if len(text) > MAX_CONDITION or "\\" in text or "\n" in text:
        raise ConditionError(f"A condition has at most {MAX_CONDITION} characters, one line and no backslash.")
    cramped = _CRAMPED.search(text)
    if cramped:
        raise ConditionError("Write spaces around && and ||; Casbin's own reader needs them.", cramped.start() + 1)
    try:
        node = parse(text, _resolve, (), evals=False)
    except Refusal as refusal:
        raise ConditionError(_SAID_HERE.get(refusal.code, refusal.message), refusal.at + 1) from None
    value = _flag(node, 0)
    return Expression(value, node, frozenset(name for each in walk(node) if (name := name_of(each)) in _READ))


def undecided(text: str, sub: str, obj: str, act: str, purpose: str, ctx: Context) -> str:
    """Name the attribute of r.ctx without which a condition can't be decided for a question; empty where it can."""
    try:
        read(text).value(sub, obj, act, purpose, ctx)
    except UndecidedError as error:
        return error.name
    except ConditionError:  # a rule of another language than ours: nothing is known about it
        return ""
    return ""


def name_of(node: Node) -> str:
    """Return the attribute that a node reads, such as `r.ctx.hour`; empty where it reads none."""
    names: list[str] = []
    while isinstance(node, Attribute):
        names.append(node.name)
        node = node.of
    if not isinstance(node, Field) or (not names and node.place == len(REQUEST)):
        return ""
    return ".".join(("r", _FIELDS[node.place], *reversed(names)))


def _resolve(name: str, at: int) -> Field:
    if name[:2] == "r_" and name[2:] in _FIELDS:
        return Field("r", _FIELDS.index(name[2:]), at)
    raise Refusal(at, "NAME_UNKNOWN", _NO_ATTRIBUTE.format(quoted(name.replace("_", ".", 1))))


_NO_ATTRIBUTE: Final = f"There is no attribute {{}}; known: {', '.join(_READ)}."
_ONLY_IP: Final = 'The only function is ipMatch(r.ctx.ip, "10.0.0.0/8").'
_ONLY: Final = "This is not allowed in a condition; use r.ctx attributes, comparisons, && || ! (and or not), ipMatch."
# What the parser says in terms of any model, in terms of ours.
_SAID_HERE: Final = {
    "FUNCTION_UNKNOWN": _ONLY_IP,
    "ARGUMENTS_WRONG": _ONLY_IP,
    "EVAL_NESTED": _ONLY_IP,
    "EXPRESSION_UNSUPPORTED": _ONLY,
    "EXPRESSION_TOO_DEEP": "The condition nests too deeply; simplify it.",
}


def _refuse(node: Node, message: str) -> ConditionError:
    while isinstance(node, Attribute):  # point at where it begins
        node = node.of
    if isinstance(node, Compare):
        return _refuse(node.first, message)
    return ConditionError(message, node.at + 1)


def _flag(node: Node, depth: int) -> Value:
    found = _expression(node, depth)
    if found.kind != "flag":
        raise _refuse(node, f"This is a {found.kind} where true or false is needed; compare it with == or in.")
    return found.value


def _expression(node: Node, depth: int) -> _Typed:
    if depth > _MAX_DEPTH:
        raise _refuse(node, "The condition nests too deeply; simplify it.")
    reader = _READERS.get(type(node))
    if reader is None:
        raise _refuse(node, _ONLY)
    return reader(node, depth + 1)


def _read_constant(node: Constant, _depth: int) -> _Typed:
    value = node.value
    if isinstance(value, bool):
        return _Typed("flag", lambda *_: value, constant=value)
    if isinstance(value, str):
        if _REWRITTEN.search(value):
            raise _refuse(node, "Casbin rewrites && || ! r. and p. in quotes, too; use a text without them.")
        return _Typed("text", lambda *_: value, constant=value)
    if isinstance(value, int):
        return _Typed("number", lambda *_: value, constant=value)
    raise _refuse(node, "Constants are texts in quotes, whole numbers, True and False.")


def _read_attribute(node: Attribute | Field, _depth: int) -> _Typed:
    name = name_of(node)
    found = _READ.get(name)
    if found is None:
        raise _refuse(node, _NO_ATTRIBUTE.format(quoted(name or "r.ctx")))
    return found


def _read_junction(node: Junction, depth: int) -> _Typed:
    parts = [_flag(each, depth) for each in node.items]
    if node.word == "and":
        return _Typed("flag", lambda sub, obj, act, purpose, ctx: all(part(sub, obj, act, purpose, ctx) for part in parts))
    return _Typed("flag", lambda sub, obj, act, purpose, ctx: any(part(sub, obj, act, purpose, ctx) for part in parts))


def _read_unary(node: Unary, depth: int) -> _Typed:
    if node.sign != "not":
        raise _refuse(node, "Only ! (or not) may stand before a condition.")
    inner = _flag(node.of, depth)
    return _Typed("flag", lambda sub, obj, act, purpose, ctx: not inner(sub, obj, act, purpose, ctx))


def _read_compare(node: Compare, depth: int) -> _Typed:
    if any(sign in ("in", "not in") for sign, _ in node.rest):
        return _read_membership(node, depth)
    links: list[Value] = []
    left_node, left = node.first, _expression(node.first, depth)
    for sign, right_node in node.rest:
        right = _expression(right_node, depth)
        links.append(_compared(left_node, left, sign, right))
        left_node, left = right_node, right
    if len(links) == 1:
        return _Typed("flag", links[0])
    return _Typed("flag", lambda sub, obj, act, purpose, ctx: all(link(sub, obj, act, purpose, ctx) for link in links))


def _compared(node: Node, left: _Typed, sign: str, right: _Typed) -> Value:
    if left.kind != right.kind:
        raise _refuse(node, f"A {left.kind} is compared with a {right.kind}, which is never equal; compare like with like.")
    if left.kind != "number" and sign not in ("==", "!="):
        raise _refuse(node, f"Only numbers have an order; compare a {left.kind} with == or !=.")
    if left.constant is not None and right.constant is not None:
        raise _refuse(node, "Two constants are compared; compare an attribute with one.")
    for one, other in ((left, right), (right, left)):
        _check_values(node, one, (other.constant,))
    compare, first, second = _SIGNS[sign], left.value, right.value
    return lambda sub, obj, act, purpose, ctx: compare(first(sub, obj, act, purpose, ctx), second(sub, obj, act, purpose, ctx))


def _check_values(node: Node, one: _Typed, constants: Iterable[object]) -> None:
    """Refuse a text that an attribute can't be, such as a misspelt weekday: it would never match."""
    for constant in constants:
        if one.values and isinstance(constant, str) and constant not in one.values:
            raise _refuse(node, f"This can only be one of: {', '.join(one.values)}.")


def _read_membership(node: Compare, depth: int) -> _Typed:
    if len(node.rest) > 1:
        raise _refuse(node, "`in` stands between two things only; join comparisons with &&.")
    ((sign, listed),) = node.rest
    left = _expression(node.first, depth)
    members = _members(listed, left)
    if left.kind == "flag" or left.constant is not None:
        raise _refuse(node, "Only an attribute that is a text or a number can be in a list.")
    value, inside = left.value, sign == "in"
    return _Typed("flag", lambda sub, obj, act, purpose, ctx: (value(sub, obj, act, purpose, ctx) in members) is inside)


def _members(node: Node, left: _Typed) -> frozenset[str | int]:
    if not isinstance(node, Items) or not node.items:
        raise _refuse(node, 'After `in` comes a list: ("a", "b"); with one text ("a",).')
    wanted = int if left.kind == "number" else str
    found = [_read_constant(each, 0).constant for each in node.items if isinstance(each, Constant) and type(each.value) is wanted]
    if len(found) != len(node.items):
        raise _refuse(node, f"This list must hold {'whole numbers' if wanted is int else 'texts in quotes'} only.")
    _check_values(node, left, found)
    return frozenset(each for each in found if isinstance(each, (str, int)))


def _read_call(node: Call, _depth: int) -> _Typed:
    if node.name != "ipMatch":
        raise _refuse(node, _ONLY_IP)
    address, network = node.args
    if name_of(address) != "r.ctx.ip" or not isinstance(network, Constant) or not isinstance(network.value, str):
        raise _refuse(node, 'Write ipMatch(r.ctx.ip, "10.0.0.0/8").')
    try:
        block = ip_network(network.value, strict=False)
    except ValueError:
        raise _refuse(network, "This is no address or network; write it like 10.0.0.0/8 or 2001:db8::/32.") from None

    def matches(_sub: str, _obj: str, _act: str, _purpose: str, ctx: Context) -> bool:
        known = _address(ctx.ip)
        if known is None:
            raise UndecidedError("ip")
        return known in block

    return _Typed("flag", matches)


@lru_cache(maxsize=4096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    # The same IPv4 caller must not pass or fail by the socket family that it came in on.
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


# Reader of each node that may stand in a condition; any other node is refused.
_READERS: Final[dict[type, Callable[..., _Typed]]] = {
    Constant: _read_constant,
    Field: _read_attribute,
    Attribute: _read_attribute,
    Junction: _read_junction,
    Unary: _read_unary,
    Compare: _read_compare,
    Call: _read_call,
}
