"""Turn nodes of the closed list into one Python function `(request, rule) -> value`.

The syntax tree that is compiled is made here, node by node; no text of a policy reaches Python's parser or becomes a name.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any, Final, cast

from munjigi.policy.casbin.nodes import (
    Attribute,
    Binary,
    Call,
    Compare,
    Constant,
    Eval,
    Field,
    Items,
    Junction,
    Link,
    Node,
    Unary,
)

Evaluate = Callable[[Sequence[Any], Sequence[Any]], Any]

_LONGEST: Final = 100_000  # characters or items of a value that a calculation makes, as in pycasbin
_COMPARISONS: Final[dict[str, type[ast.cmpop]]] = {
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
    "in": ast.In,
    "not in": ast.NotIn,
}
_UNARY: Final[dict[str, type[ast.unaryop]]] = {"not": ast.Not, "-": ast.USub, "+": ast.UAdd}
_HELPERS: Final = {"+": "h_add", "*": "h_multiply", "%": "h_modulo"}


def generate(node: Node, bindings: Mapping[str, Any]) -> Evaluate:
    """Compile a node. `bindings` has `f_NAME` for functions, `g_NAME` for roles and `eval` (rule text -> Evaluate)."""
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg("r"), ast.arg("p")], vararg=None, kwonlyargs=[], kw_defaults=[], kwarg=None, defaults=[]
    )
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, _built(node))))
    outer = compile(tree, "<casbin matcher>", "eval")
    code = next(each for each in outer.co_consts if isinstance(each, CodeType))
    return cast("Evaluate", FunctionType(code, {"__builtins__": {}, **_TOOLS, **bindings}))


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(_name(name), list(args), [])


def _built(node: Node) -> ast.expr:
    if isinstance(node, Constant):
        return ast.Constant(node.value)
    if isinstance(node, Field):
        return ast.Subscript(_name(node.side), ast.Constant(node.place), ast.Load())
    if isinstance(node, Attribute):
        return _call("h_attribute", _built(node.of), ast.Constant(node.name))
    if isinstance(node, Items):
        items = [_built(each) for each in node.items]
        return ast.List(items, ast.Load()) if node.as_list else ast.Tuple(items, ast.Load())
    if isinstance(node, Unary):
        return ast.UnaryOp(_UNARY[node.sign](), _built(node.of))
    if isinstance(node, Binary):
        left, right = _built(node.left), _built(node.right)
        if node.sign in _HELPERS:
            return _call(_HELPERS[node.sign], left, right)
        return ast.BinOp(left, ast.Sub() if node.sign == "-" else ast.Div(), right)
    if isinstance(node, Compare):
        signs: list[ast.cmpop] = [_COMPARISONS[sign]() for sign, _ in node.rest]
        return ast.Compare(_built(node.first), signs, [_built(each) for _, each in node.rest])
    if isinstance(node, Junction):
        return ast.BoolOp(ast.And() if node.word == "and" else ast.Or(), [_built(each) for each in node.items])
    if isinstance(node, Eval):
        cell = ast.Subscript(_name("p"), ast.Constant(node.place), ast.Load())
        return ast.Call(ast.Subscript(_name("eval"), cell, ast.Load()), [_name("r"), _name("p")], [])
    return _called(node)


def _called(node: Call | Link) -> ast.expr:
    prefix, name = ("f_", node.name) if isinstance(node, Call) else ("g_", node.role)
    return _call(prefix + name, *(_built(each) for each in node.args))


def _attribute(owner: Any, name: str) -> Any:
    """Read a key of a JSON object, or a public attribute of an object that the caller made."""
    if isinstance(owner, Mapping):
        return owner[name]
    if isinstance(owner, (str, bytes, int, float, list, tuple, set, frozenset, type, type(None))):
        raise TypeError
    value = getattr(owner, name)
    if callable(value):
        raise TypeError
    return value


def _size(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 0


def _add(left: Any, right: Any) -> Any:
    if _size(left) + _size(right) > _LONGEST:
        raise ValueError
    return left + right


def _multiply(left: Any, right: Any) -> Any:
    if (hasattr(left, "__len__") and right * len(left) > _LONGEST) or (
        hasattr(right, "__len__") and left * len(right) > _LONGEST
    ):
        raise ValueError
    return left * right


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, (str, bytes)):
        raise TypeError  # would format a text, with widths that a request chooses
    return left % right


_TOOLS: Final = {"h_attribute": _attribute, "h_add": _add, "h_multiply": _multiply, "h_modulo": _modulo}
