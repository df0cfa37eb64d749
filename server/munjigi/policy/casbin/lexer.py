"""Cut a matcher into tokens. `&&`, `||` and `!` are `and`, `or` and `not`; text in quotes stays as it is written."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal, NamedTuple

from munjigi.policy.casbin.refusal import MAX_MATCHER, Refusal

Kind = Literal["name", "text", "number", "sign", "end"]


class Token(NamedTuple):
    """One token. `value` is a constant's value, otherwise its spelling."""

    kind: Kind
    value: str | int | float
    at: int


_SPACE: Final = re.compile(r"[ \t\r\n\f]+")
_SIGN: Final = re.compile(r"&&|\|\||==|!=|<=|>=|[<>!+\-*/%()\[\],.]")
_NAME: Final = re.compile(r"[^\W\d]\w*")
_NUMBER: Final = re.compile(r"(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER: Final = re.compile(r"(?:0+|[1-9]\d*)\Z", re.ASCII)
_WORDS: Final = {"&&": "and", "||": "or", "!": "not"}
_KEYWORDS: Final = frozenset({"and", "or", "not", "in"})
# What Python, and with it pycasbin, makes a name of its grammar; none of them means anything in Casbin.
_RESERVED: Final = frozenset({"is", "if", "else", "lambda", "for", "await", "async", "yield", "def", "class", "import", "from"})
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_HEX: Final = {"x": 2, "u": 4, "U": 8}
_HEX_DIGITS: Final = re.compile(r"[0-9A-Fa-f]+\Z")
_OCTAL: Final = re.compile(r"[0-7]{1,3}")


def tokens(text: str) -> list[Token]:
    """Return the tokens of an expression, the last of kind `end`.

    Raises `Refusal` at the first thing that is none.
    """
    if len(text) > MAX_MATCHER:
        raise Refusal(0, "EXPRESSION_TOO_LONG", f"An expression has at most {MAX_MATCHER} characters; simplify it.")
    found: list[Token] = []
    at = 0
    while at < len(text):
        space = _SPACE.match(text, at)
        if space:
            at = space.end()
            continue
        token, at = _token(text, at)
        found.append(token)
    found.append(Token("end", "", len(text)))
    return found


def _token(text: str, at: int) -> tuple[Token, int]:
    char = text[at]
    if char in "'\"":
        return _text(text, at, at, raw=False)
    if char in "rRuU" and text[at + 1 : at + 2] in {"'", '"'}:
        return _text(text, at, at + 1, raw=char in "rR")
    number = _NUMBER.match(text, at)
    if number:
        return _number(text, at, number.group()), number.end()
    name = _NAME.match(text, at)
    if name:
        word = name.group()
        if unicodedata.normalize("NFKC", word) != word:
            raise Refusal(at, "NAME_LOOKALIKE", "This name has characters that only look like others; write the plain ones.")
        if word in _RESERVED:
            raise Refusal(at, "EXPRESSION_UNSUPPORTED", f"`{word}` is not part of the Casbin language.")
        return Token("sign" if word in _KEYWORDS else "name", word, at), name.end()
    sign = _SIGN.match(text, at)
    if sign:
        if sign.group() in {"*", "/"} and text[at : at + 2] in {"**", "//"}:
            raise Refusal(at, "EXPRESSION_UNSUPPORTED", f"`{text[at : at + 2]}` is not supported; operators are + - * / %.")
        return Token("sign", _WORDS.get(sign.group(), sign.group()), at), sign.end()
    raise Refusal(at, "EXPRESSION_INVALID", "This character is not part of the Casbin language.")


def _number(text: str, at: int, digits: str) -> Token:
    after = text[at + len(digits) : at + len(digits) + 1]
    if after == "_" or after.isalnum() or len(digits) > 300:
        raise Refusal(at, "NUMBER_INVALID", "This is no number; write it like 18 or 0.5.")
    if digits.isdigit():
        if not _INTEGER.match(digits):
            raise Refusal(at, "NUMBER_INVALID", "A whole number doesn't start with 0.")
        return Token("number", int(digits), at)
    return Token("number", float(digits), at)


def _text(text: str, start: int, at: int, *, raw: bool) -> tuple[Token, int]:
    quote = text[at]
    if text[at : at + 3] == quote * 3:
        raise Refusal(start, "TEXT_INVALID", "Three quotes in a row are not supported; use one.")
    parts: list[str] = []
    at += 1
    while True:
        if at >= len(text) or text[at] in "\r\n":
            raise Refusal(start, "TEXT_UNTERMINATED", "A quote is opened here and never closed.")
        char = text[at]
        if char == quote:
            return Token("text", "".join(parts), start), at + 1
        if char != "\\":
            parts.append(char)
            at += 1
        elif raw:
            parts.append(text[at : at + 2])
            at += 2
        else:
            piece, at = _escape(text, at)
            parts.append(piece)


def _escape(text: str, at: int) -> tuple[str, int]:
    """Read an escape as Python does; one that it does not know stays as it is written."""
    char = text[at + 1 : at + 2]
    if char in _ESCAPES:
        return _ESCAPES[char], at + 2
    octal = _OCTAL.match(text, at + 1)
    if octal:
        return chr(int(octal.group(), 8)), octal.end()
    if char in _HEX:
        digits = text[at + 2 : at + 2 + _HEX[char]]
        if len(digits) != _HEX[char] or not _HEX_DIGITS.match(digits) or int(digits, 16) > 0x10FFFF:
            raise Refusal(at, "TEXT_INVALID", "This escape lacks its digits; write \\\\ for a backslash.")
        return chr(int(digits, 16)), at + 2 + _HEX[char]
    if char in {"N", "\n", "\r"}:
        raise Refusal(at, "TEXT_INVALID", "This escape is not supported; write the character itself.")
    return text[at : at + 2], at + 2
