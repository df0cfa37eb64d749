"""Translate the `cond` cell of a rule into callables.

Nothing from policy text is ever run as Python: the text is parsed, and a closed list of nodes becomes closures.

    True                                                  no condition
    r.ctx.device                                          a flag
    r.ctx.principal_type == "employee"                    also !=
    r.ctx.department in ("fraud", "privacy")              also not in
    r.ctx.hour >= 9 and r.ctx.hour < 18                   numbers: also < <= > >=
    ipMatch(r.ctx.ip, "10.0.0.0/8")                       address or network
    A and B, A or B, not A

`policy.attributes` lists the attributes with their types, which are checked here. An address that cannot be read, or
a day that the calendar does not cover, leaves a condition undecided; an undecided allow does not hold and an
undecided deny does (promise P3).
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, NamedTuple

from munjigi.policy.attributes import CONTEXT, REQUEST, Kind
from munjigi.policy.findings import quoted
from munjigi.policy.types import Condition, Context

MAX_CONDITION: Final = 1000
_MAX_DEPTH: Final = 30

_Value = Callable[[str, str, str, str, Context], str | bool | int]


class ConditionError(Exception):
    """Why a condition is refused, and at which character of the cell (from 1)."""

    def __init__(self, message: str, character: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.character = character


class _UndecidedError(Exception):
    """The question lacks what the condition needs."""


class _Typed(NamedTuple):
    """A part of a condition. `values` are all that a text can be, empty for any; `constant` is set for what is written out."""

    kind: Kind
    value: _Value
    values: tuple[str, ...] = ()
    constant: str | bool | int | None = None


def _of_request(position: int) -> _Value:
    return lambda *question: question[position]


def _of_context(name: str) -> _Value:
    look = operator.attrgetter(name)

    def value(_sub: str, _obj: str, _act: str, _purpose: str, ctx: Context) -> str | bool | int:
        found: str | bool | int | None = look(ctx)
        if found is None:
            raise _UndecidedError
        return found

    return value


_READ: Final[dict[str, _Typed]] = {
    f"r.{name}": _Typed(each.kind, _of_request(position), each.values) for position, (name, each) in enumerate(REQUEST.items())
} | {f"r.ctx.{name}": _Typed(each.kind, _of_context(name), each.values) for name, each in CONTEXT.items()}
_SIGNS: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def translate(text: str, *, allow: bool) -> Condition | None:
    """Return a condition's callable, or None for `True`. `allow` tells the effect of its rule.

    Raises `ConditionError` when the text is not of the language above.
    """
    if text == "True":
        return None
    if not text:
        raise ConditionError("The condition is empty; write `True` for none.")
    if len(text) > MAX_CONDITION or "\\" in text or "\n" in text:
        raise ConditionError(f"A condition has at most {MAX_CONDITION} characters, one line and no backslash.")
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ConditionError("This is no condition; check quotes and parentheses.", max(error.offset or 1, 1)) from None
    except (ValueError, RecursionError, MemoryError):
        raise ConditionError("This is no condition, or it nests too deeply; simplify it.") from None
    found = _flag(tree, text, 0)
    undecided = not allow

    def condition(sub: str, obj: str, act: str, purpose: str, ctx: Context) -> bool:
        try:
            return bool(found(sub, obj, act, purpose, ctx))
        except _UndecidedError:
            return undecided

    return condition


def _refuse(node: ast.expr, text: str, message: str) -> ConditionError:
    # ast counts bytes; people count characters.
    before = text.encode()[: node.col_offset]
    return ConditionError(message, len(before.decode("utf-8", "replace")) + 1)


def _flag(node: ast.expr, text: str, depth: int) -> _Value:
    found = _expression(node, text, depth)
    if found.kind != "flag":
        raise _refuse(node, text, f"This is a {found.kind} where true or false is needed; compare it with == or in.")
    return found.value


def _expression(node: ast.expr, text: str, depth: int) -> _Typed:
    if depth > _MAX_DEPTH:
        raise _refuse(node, text, "The condition nests too deeply; simplify it.")
    for kind, reader in _READERS:
        if isinstance(node, kind):
            return reader(node, text, depth + 1)
    raise _refuse(node, text, "This is not allowed in a condition; use r.ctx attributes, comparisons, and or not, ipMatch.")


def _read_constant(node: ast.Constant, text: str, _depth: int) -> _Typed:
    value = node.value
    if isinstance(value, bool):
        return _Typed("flag", lambda *_: value, constant=value)
    if isinstance(value, str):
        return _Typed("text", lambda *_: value, constant=value)
    if isinstance(value, int):
        return _Typed("number", lambda *_: value, constant=value)
    raise _refuse(node, text, "Constants are texts in quotes, whole numbers, True and False.")


def _read_attribute(node: ast.Attribute, text: str, _depth: int) -> _Typed:
    owner = node.value
    inner = owner.value if isinstance(owner, ast.Attribute) else owner
    name = f"{owner.attr}.{node.attr}" if isinstance(owner, ast.Attribute) else node.attr
    name = f"{inner.id}.{name}" if isinstance(inner, ast.Name) else ""
    found = _READ.get(name)
    if found is None:
        raise _refuse(node, text, f"There is no attribute {quoted(name)}; known: {', '.join(_READ)}.")
    return found


def _read_bool(node: ast.BoolOp, text: str, depth: int) -> _Typed:
    parts = [_flag(each, text, depth) for each in node.values]
    if isinstance(node.op, ast.And):
        return _Typed("flag", lambda sub, obj, act, purpose, ctx: all(part(sub, obj, act, purpose, ctx) for part in parts))
    return _Typed("flag", lambda sub, obj, act, purpose, ctx: any(part(sub, obj, act, purpose, ctx) for part in parts))


def _read_unary(node: ast.UnaryOp, text: str, depth: int) -> _Typed:
    if not isinstance(node.op, ast.Not):
        raise _refuse(node, text, "Only `not` may stand before a condition.")
    inner = _flag(node.operand, text, depth)
    return _Typed("flag", lambda sub, obj, act, purpose, ctx: not inner(sub, obj, act, purpose, ctx))


def _read_compare(node: ast.Compare, text: str, depth: int) -> _Typed:
    if len(node.ops) != 1:
        raise _refuse(node, text, "Compare two things at a time; join comparisons with `and`.")
    left = _expression(node.left, text, depth)
    sign, right_node = node.ops[0], node.comparators[0]
    if isinstance(sign, (ast.In, ast.NotIn)):
        return _read_membership(node, left, text)
    compare = _SIGNS.get(type(sign))
    if compare is None:
        raise _refuse(node, text, "Comparisons are == != < <= > >= in and not in.")
    right = _expression(right_node, text, depth)
    if left.kind != right.kind:
        raise _refuse(node, text, f"A {left.kind} is compared with a {right.kind}, which is never equal; compare like with like.")
    if left.kind != "number" and not isinstance(sign, (ast.Eq, ast.NotEq)):
        raise _refuse(node, text, f"Only numbers have an order; compare a {left.kind} with == or !=.")
    if left.constant is not None and right.constant is not None:
        raise _refuse(node, text, "Two constants are compared; compare an attribute with one.")
    for one, other in ((left, right), (right, left)):
        _check_values(node, one, (other.constant,), text)
    first, second = left.value, right.value
    return _Typed(
        "flag",
        lambda sub, obj, act, purpose, ctx: compare(first(sub, obj, act, purpose, ctx), second(sub, obj, act, purpose, ctx)),
    )


def _check_values(node: ast.expr, one: _Typed, constants: Iterable[object], text: str) -> None:
    """Refuse a text that an attribute can't be, such as a misspelt weekday: it would never match."""
    for constant in constants:
        if one.values and isinstance(constant, str) and constant not in one.values:
            raise _refuse(node, text, f"This can only be one of: {', '.join(one.values)}.")


def _read_membership(node: ast.Compare, left: _Typed, text: str) -> _Typed:
    inside = isinstance(node.ops[0], ast.In)
    members = _members(node.comparators[0], left, text)
    if left.kind == "flag" or left.constant is not None:
        raise _refuse(node, text, "Only an attribute that is a text or a number can be in a list.")
    value = left.value
    return _Typed("flag", lambda sub, obj, act, purpose, ctx: (value(sub, obj, act, purpose, ctx) in members) is inside)


def _members(node: ast.expr, left: _Typed, text: str) -> frozenset[str | int]:
    if not isinstance(node, (ast.Tuple, ast.List)) or not node.elts:
        raise _refuse(node, text, 'After `in` comes a list: ("a", "b"); with one text ("a",).')
    wanted = int if left.kind == "number" else str
    found = [each.value for each in node.elts if isinstance(each, ast.Constant) and type(each.value) is wanted]
    if len(found) != len(node.elts):
        raise _refuse(node, text, f"This list must hold {'whole numbers' if wanted is int else 'texts in quotes'} only.")
    _check_values(node, left, found, text)
    return frozenset(found)


def _read_call(node: ast.Call, text: str, depth: int) -> _Typed:
    if not isinstance(node.func, ast.Name) or node.func.id != "ipMatch" or len(node.args) != 2 or node.keywords:
        raise _refuse(node, text, 'The only function is ipMatch(r.ctx.ip, "network").')
    address, network = node.args
    found = _expression(address, text, depth)
    if found.kind != "text" or not isinstance(network, ast.Constant) or not isinstance(network.value, str):
        raise _refuse(node, text, 'Write ipMatch(r.ctx.ip, "10.0.0.0/8").')
    try:
        block = ip_network(network.value, strict=False)
    except ValueError:
        raise _refuse(network, text, "This is no address or network; write it like 10.0.0.0/8 or 2001:db8::/32.") from None
    value = found.value

    def matches(sub: str, obj: str, act: str, purpose: str, ctx: Context) -> bool:
        known = _address(str(value(sub, obj, act, purpose, ctx)))
        if known is None:
            raise _UndecidedError
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
_READERS: Final[tuple[tuple[type[ast.expr], Callable[..., _Typed]], ...]] = (
    (ast.Constant, _read_constant),
    (ast.Attribute, _read_attribute),
    (ast.BoolOp, _read_bool),
    (ast.UnaryOp, _read_unary),
    (ast.Compare, _read_compare),
    (ast.Call, _read_call),
)
