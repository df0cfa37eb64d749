"""Read an expression of the Casbin language into nodes, with the precedence that pycasbin gives its operators.

`!` binds weaker than a comparison (`!a == b` is `!(a == b)`), as it does there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from munjigi.policy.casbin.functions import FUNCTIONS
from munjigi.policy.casbin.lexer import Token, tokens
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
    Scalar,
    Unary,
)
from munjigi.policy.casbin.refusal import MAX_CHAIN, MAX_NESTING, Refusal
from munjigi.policy.findings import quoted

# A name such as `r_sub` becomes the field it stands for, or None where there is none.
Resolve = Callable[[str, int], "Field | None"]

_OR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY, _SIGN = range(1, 8)
_LEVELS: Final = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), _COMPARE),
    "+": _ADD,
    "-": _ADD,
    "*": _MULTIPLY,
    "/": _MULTIPLY,
    "%": _MULTIPLY,
}
_CONSTANTS: Final[dict[str, Scalar]] = {"True": True, "False": False, "None": None}


def parse(text: str, resolve: Resolve, roles: Collection[str], *, evals: bool) -> Node:
    """Return the expression that `text` spells. `roles` are the names of role functions; `evals`: `eval()` may stand in it.

    Raises `Refusal` for what is not of the language.
    """
    return _Parser(text, resolve, roles, evals=evals).whole()


class _Parser:
    __slots__ = ("_at", "_depth", "_evals", "_resolve", "_roles", "_text", "_tokens")

    def __init__(self, text: str, resolve: Resolve, roles: Collection[str], *, evals: bool) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._resolve = resolve
        self._roles = roles
        self._evals = evals
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        if self._peek().kind == "end":
            raise Refusal(0, "EXPRESSION_EMPTY", "The expression is empty; write `True` for one that always holds.")
        found = self._expression(_OR)
        self._expect_end()
        return found

    def _expect_end(self) -> None:
        token = self._peek()
        if token.kind != "end":
            raise Refusal(token.at, "EXPRESSION_INVALID", "An operator is missing before this.")

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += token.kind != "end"
        return token

    def _is(self, sign: str) -> bool:
        token = self._peek()
        return token.kind == "sign" and token.value == sign

    def _expect(self, sign: str, opened: int) -> None:
        if not self._is(sign):
            raise Refusal(opened, "EXPRESSION_INVALID", f"`{sign}` is missing for what is opened here.")
        self._at += 1

    def _expression(self, level: int) -> Node:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise Refusal(self._peek().at, "EXPRESSION_TOO_DEEP", f"The expression nests deeper than {MAX_NESTING}; simplify it.")
        found = self._prefixed(level)
        chain = 0
        while True:
            sign, above = self._operator()
            if not sign or above < level:
                break
            if above in {_OR, _AND}:
                found = self._junction(found, sign, above)
            elif above == _COMPARE:
                found = self._comparison(found)
            else:
                chain += 1
                at = self._take().at
                if chain > MAX_CHAIN:
                    raise Refusal(at, "EXPRESSION_TOO_DEEP", f"More than {MAX_CHAIN} calculations in a row; simplify it.")
                found = Binary(sign, found, self._expression(above + 1), at)
        self._depth -= 1
        return found

    def _operator(self) -> tuple[str, int]:
        token = self._peek()
        if token.kind != "sign":
            return "", 0
        sign = str(token.value)
        if sign == "not":
            following = self._tokens[self._at + 1]
            return ("not in", _COMPARE) if following.kind == "sign" and following.value == "in" else ("", 0)
        return (sign, _LEVELS[sign]) if sign in _LEVELS else ("", 0)

    def _prefixed(self, level: int) -> Node:
        token = self._peek()
        if token.kind == "sign" and token.value == "not":
            if level > _NOT:
                raise Refusal(token.at, "EXPRESSION_INVALID", "Put parentheses around the negation.")
            self._at += 1
            return Unary("not", self._expression(_NOT), token.at)
        if token.kind == "sign" and token.value in {"-", "+"}:
            self._at += 1
            return Unary(str(token.value), self._expression(_SIGN), token.at)
        found = self._atom()
        chain = 0
        while self._is("."):
            dot = self._take()
            chain += 1
            if chain > MAX_NESTING:
                raise Refusal(dot.at, "EXPRESSION_TOO_DEEP", f"More than {MAX_NESTING} attributes in a row; simplify it.")
            name = self._take()
            if name.kind != "name" or str(name.value).startswith(("_", "func_")):
                raise Refusal(dot.at, "ATTRIBUTE_INVALID", "After a dot comes the attribute's name; it doesn't start with _.")
            if self._is("("):
                raise Refusal(dot.at, "FUNCTION_UNKNOWN", f"A method can't be called; functions: {', '.join(FUNCTIONS)}.")
            found = Attribute(found, str(name.value), name.at)
        if self._is("["):
            raise Refusal(self._peek().at, "EXPRESSION_UNSUPPORTED", "Subscripts are not supported; name the attribute.")
        return found

    def _junction(self, first: Node, sign: str, level: int) -> Node:
        at = self._peek().at
        items = [first]
        while self._is(sign):
            self._at += 1
            items.append(self._expression(level + 1))
        return Junction(sign, tuple(items), at)

    def _comparison(self, first: Node) -> Node:
        at = self._peek().at
        rest: list[tuple[str, Node]] = []
        while True:
            sign, level = self._operator()
            if level != _COMPARE:
                return Compare(first, tuple(rest), at)
            self._at += 2 if sign == "not in" else 1
            rest.append((sign, self._expression(_ADD)))

    def _atom(self) -> Node:
        token = self._take()
        if token.kind in {"text", "number"}:
            if self._peek().kind == "text":
                raise Refusal(self._peek().at, "EXPRESSION_INVALID", "Two constants stand side by side; join them with +.")
            return Constant(token.value, token.at)
        if token.kind == "name":
            return self._named(token)
        if token.kind == "sign" and token.value in {"(", "["}:
            return self._bracketed(token)
        raise Refusal(token.at, "EXPRESSION_INVALID", "A value is missing here.")

    def _bracketed(self, opened: Token) -> Node:
        close = ")" if opened.value == "(" else "]"
        items, comma = self._list(close, opened.at)
        if close == ")" and not comma and items:
            return items[0]
        return Items(tuple(items), close == "]", opened.at)

    def _list(self, close: str, opened: int) -> tuple[list[Node], bool]:
        items: list[Node] = []
        comma = False
        while not self._is(close):
            items.append(self._expression(_OR))
            if not self._is(","):
                break
            comma = True
            self._at += 1
        self._expect(close, opened)
        return items, comma

    def _named(self, token: Token) -> Node:
        name = str(token.value)
        if name in _CONSTANTS:
            return Constant(_CONSTANTS[name], token.at)
        if self._is("("):
            return self._called(name, token)
        if (name[0] in "rp" and name[1:].isdecimal()) or name in {"r", "p"}:
            # `r.sub` is written like an attribute, and stands for the field `r_sub`.
            following = self._tokens[self._at + 1] if self._is(".") else None
            if following is not None and following.kind == "name":
                found = self._resolve(f"{name}_{following.value}", token.at)
                if found is not None:
                    self._at += 2
                    return found
                raise Refusal(following.at, "FIELD_UNKNOWN", f"{quoted(str(following.value))} is not defined for `{name}`.")
        found = self._resolve(name, token.at)
        if found is None:
            raise Refusal(token.at, "NAME_UNKNOWN", f"{quoted(name)} is not defined; put a text in quotes.")
        return found

    def _called(self, name: str, token: Token) -> Node:
        opened = self._take()
        if name == "eval":
            return self._eval(token)
        args, _ = self._list(")", opened.at)
        if name in self._roles:
            if not 2 <= len(args) <= 3:
                raise Refusal(token.at, "ARGUMENTS_WRONG", f"`{name}` takes two names, and a domain where there is one.")
            return Link(name, tuple(args), token.at)
        function = FUNCTIONS.get(name)
        if function is None:
            known = ", ".join((*self._roles, *FUNCTIONS))
            raise Refusal(token.at, "FUNCTION_UNKNOWN", f"There is no function {quoted(name)}; known: {known}.")
        if len(args) != function.arguments:
            raise Refusal(token.at, "ARGUMENTS_WRONG", f"`{name}` takes {function.arguments} arguments.")
        return Call(name, tuple(args), token.at)

    def _eval(self, token: Token) -> Node:
        if not self._evals:
            raise Refusal(token.at, "EVAL_NESTED", "`eval` stands in a matcher only.")
        found = self._expression(_OR)
        self._expect(")", token.at)
        if not isinstance(found, Field) or found.side != "p":
            raise Refusal(token.at, "EVAL_INVALID", "`eval` takes one field of the rule, such as eval(p.rule).")
        return Eval(found.place, token.at)
