"""The closed list of syntax nodes that a matcher or an `eval()` rule is made of. `at` is an offset into its text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

Scalar: TypeAlias = "str | int | float | bool | None"
Side: TypeAlias = 'Literal["r", "p"]'


class Constant(NamedTuple):
    """A text, number, `True`, `False` or `None`."""

    value: Scalar
    at: int


class Field(NamedTuple):
    """One value of the request (`r`) or one cell of the rule (`p`), by its place."""

    side: Side
    place: int
    at: int


class Attribute(NamedTuple):
    """A key of a request object, such as `r.sub.Age`."""

    of: Node
    name: str
    at: int


class Items(NamedTuple):
    """A tuple, or a list where `as_list`."""

    items: tuple[Node, ...]
    as_list: bool
    at: int


class Unary(NamedTuple):
    """`not`, `-` or `+` before something."""

    sign: str
    of: Node
    at: int


class Binary(NamedTuple):
    """Arithmetic: `+ - * / %`."""

    sign: str
    left: Node
    right: Node
    at: int


class Compare(NamedTuple):
    """A chain of comparisons: `a < b <= c`."""

    first: Node
    rest: tuple[tuple[str, Node], ...]
    at: int


class Junction(NamedTuple):
    """Things joined by `and` or by `or`."""

    word: str
    items: tuple[Node, ...]
    at: int


class Call(NamedTuple):
    """A function of the registry."""

    name: str
    args: tuple[Node, ...]
    at: int


class Link(NamedTuple):
    """A role function, `g(...)`: whether the first is, or inherits, the second."""

    role: str
    args: tuple[Node, ...]
    at: int


class Eval(NamedTuple):
    """`eval(p.rule)`: the expression that stands in that cell of the rule."""

    place: int
    at: int


Node: TypeAlias = "Constant | Field | Attribute | Items | Unary | Binary | Compare | Junction | Call | Link | Eval"


def children(node: Node) -> tuple[Node, ...]:
    """Return what a node is directly made of."""
    if isinstance(node, (Attribute, Unary)):
        return (node.of,)
    if isinstance(node, Binary):
        return (node.left, node.right)
    if isinstance(node, Compare):
        return (node.first, *(each for _, each in node.rest))
    if isinstance(node, (Items, Junction)):
        return node.items
    if isinstance(node, (Call, Link)):
        return node.args
    return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything below it."""
    pending = [node]
    while pending:
        found = pending.pop()
        yield found
        pending.extend(reversed(children(found)))


def mentions_rule(node: Node) -> bool:
    """Tell whether a node's value depends on the rule at hand."""
    return any(isinstance(each, Eval) or (isinstance(each, Field) and each.side == "p") for each in walk(node))
