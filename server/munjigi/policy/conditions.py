"""Translate the `cond` cell of a rule into callables.

Nothing from policy text is ever run as Python: the text is parsed, and a closed list of nodes becomes closures.

    True                                                  no condition
    r.ctx.device                                          the device is managed
    r.ctx.principal_type == "employee"                    also !=
    r.ctx.department in ("fraud", "privacy")              also not in
    ipMatch(r.ctx.ip, "10.0.0.0/8")                       address or network
    A and B, A or B, not A

Attributes: `r.sub|obj|act|purpose` and `r.ctx.ip|principal_type|department|device|tool`. An address that cannot
be read leaves a condition undecided; an undecided allow does not hold and an undecided deny does (promise P3).
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Literal, NamedTuple

from munjigi.policy.types import Condition, Context

MAX_CONDITION: Final = 1000
_MAX_DEPTH: Final = 30

_Value = Callable[[str, str, str, str, Context], str | bool]


class ConditionError(Exception):
    """Why a condition is refused, and at which character of the cell (from 1)."""

    def __init__(self, message: str, character: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.character = character


class _UndecidedError(Exception):
    """The question lacks what the condition needs."""


class _Typed(NamedTuple):
    kind: Literal["text", "flag"]
    value: _Value


_REQUEST: Final[dict[str, _Value]] = {
    "sub": lambda sub, _obj, _act, _purpose, _ctx: sub,
    "obj": lambda _sub, obj, _act, _purpose, _ctx: obj,
    "act": lambda _sub, _obj, act, _purpose, _ctx: act,
    "purpose": lambda _sub, _obj, _act, purpose, _ctx: purpose,
}
_CONTEXT: Final[dict[str, _Typed]] = {
    "ip": _Typed("text", lambda _sub, _obj, _act, _purpose, ctx: ctx.ip),
    "principal_type": _Typed("text", lambda _sub, _obj, _act, _purpose, ctx: ctx.principal_type),
    "department": _Typed("text", lambda _sub, _obj, _act, _purpose, ctx: ctx.department),
    "tool": _Typed("text", lambda _sub, _obj, _act, _purpose, ctx: ctx.tool),
    "device": _Typed("flag", lambda _sub, _obj, _act, _purpose, ctx: ctx.device),
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
        raise _refuse(node, text, "This is a text where true or false is needed; compare it with == or in.")
    return found.value


def _expression(node: ast.expr, text: str, depth: int) -> _Typed:
    if depth > _MAX_DEPTH:
        raise _refuse(node, text, "The condition nests too deeply; simplify it.")
    for kind, reader in _READERS:
        if isinstance(node, kind):
            return reader(node, text, depth + 1)
    raise _refuse(node, text, "This is not allowed in a condition; use r.ctx attributes, == != in, and or not, ipMatch.")


def _read_constant(node: ast.Constant, text: str, _depth: int) -> _Typed:
    value = node.value
    if isinstance(value, bool):
        return _Typed("flag", lambda _sub, _obj, _act, _purpose, _ctx: value)
    if isinstance(value, str):
        return _Typed("text", lambda _sub, _obj, _act, _purpose, _ctx: value)
    raise _refuse(node, text, "Constants are texts in quotes, True and False; no part of a question is a number.")


def _read_attribute(node: ast.Attribute, text: str, _depth: int) -> _Typed:
    owner = node.value
    if isinstance(owner, ast.Name) and owner.id == "r" and node.attr in _REQUEST:
        return _Typed("text", _REQUEST[node.attr])
    if (
        isinstance(owner, ast.Attribute)
        and owner.attr == "ctx"
        and isinstance(owner.value, ast.Name)
        and owner.value.id == "r"
        and node.attr in _CONTEXT
    ):
        return _CONTEXT[node.attr]
    known = ", ".join((*(f"r.{name}" for name in _REQUEST), *(f"r.ctx.{name}" for name in _CONTEXT)))
    raise _refuse(node, text, f"There is no such attribute; known: {known}.")


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
        inside = isinstance(sign, ast.In)
        members = _members(right_node, text)
        if left.kind != "text":
            raise _refuse(node, text, "Only a text can be in a list of texts.")
        value = left.value
        return _Typed("flag", lambda sub, obj, act, purpose, ctx: (value(sub, obj, act, purpose, ctx) in members) is inside)
    if not isinstance(sign, (ast.Eq, ast.NotEq)):
        raise _refuse(node, text, "Comparisons are == != in and not in.")
    right = _expression(right_node, text, depth)
    if left.kind != right.kind:
        raise _refuse(node, text, "A text is compared with true or false, which is never equal; compare like with like.")
    one, other = left.value, right.value
    compare = operator.eq if isinstance(sign, ast.Eq) else operator.ne
    return _Typed(
        "flag", lambda sub, obj, act, purpose, ctx: compare(one(sub, obj, act, purpose, ctx), other(sub, obj, act, purpose, ctx))
    )


def _members(node: ast.expr, text: str) -> frozenset[str]:
    if not isinstance(node, (ast.Tuple, ast.List)) or not node.elts:
        raise _refuse(node, text, 'After `in` comes a list of texts: ("a", "b"); with one text ("a",).')
    found = [each.value for each in node.elts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if len(found) != len(node.elts):
        raise _refuse(node, text, "A list after `in` holds texts in quotes only.")
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
