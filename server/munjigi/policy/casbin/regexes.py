r"""Say in RE2's syntax what a regular expression of Python means, or refuse it.

RE2 runs in time linear in the text. It has no look-around and no back references. What is spelled alike and means something
else (`$` before a last line break, `\d` and `\b` beyond ASCII, `{,3}`) is translated or refused. Source: github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

import re
import warnings
from typing import Final

from munjigi.policy.casbin.refusal import MAX_PATTERN, Refusal

# Python's `$` also matches before a line break that ends the text.
END: Final = r"(?:\n?\z)"
_GROUP: Final = re.compile(r"\((?:\?:|\?P<[A-Za-z_]\w*>|\?i:|\?s:|(?!\?))", re.ASCII)
_FLAGS: Final = re.compile(r"\(\?[is]+\)")
_REPEAT: Final = re.compile(r"\{\d+(?:,\d*)?\}", re.ASCII)
_HEX: Final = re.compile(r"x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}")
_ENDS: Final = re.compile(r"[$)]*")
_SPACES: Final = r"\t-\r\x1c-\x20\x{85}\p{Z}"
_OUTSIDE: Final = {
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "s": f"[{_SPACES}]",
    "S": f"[^{_SPACES}]",
    "w": r"[\p{L}\p{N}_]",
    "W": r"[^\p{L}\p{N}_]",
    "A": r"\A",
    "Z": r"\z",
}
_INSIDE: Final = {"d": r"\p{Nd}", "D": r"\P{Nd}", "s": _SPACES, "w": r"\p{L}\p{N}_", "b": r"\x08"}
_ANCHORS: Final = frozenset({"^", "|", END, r"\A", r"\z"})
_CONTROLS: Final = frozenset("ntrfva")
# What most patterns are made of, and what both take in one way.
_PLAIN: Final = re.compile(r"\^?(?:[\w/ :-]|\[\^/\]\+|\([\^/]\+\)|\.\*)*\$?")
_WHY: Final = "This pattern can't run in linear time; write it without look-around, back references and the like."


def from_python(pattern: str) -> str:
    """Return a pattern for RE2 that matches exactly what `re.match` would.

    Raises `Refusal` for what RE2 can't say.
    """
    if len(pattern) > MAX_PATTERN:
        raise Refusal(0, "PATTERN_TOO_LONG", f"A pattern has at most {MAX_PATTERN} characters; shorten it.")
    if not _PLAIN.fullmatch(pattern):
        _check_python(pattern)
    parts: list[str] = []
    flags = _FLAGS.match(pattern)
    at = flags.end() if flags else 0
    if flags:
        parts.append(flags.group())
    repeatable = False
    while at < len(pattern):
        start = at
        piece, at = _piece(pattern, at)
        repeats = piece in {"*", "+", "?"} or piece[0] == "{"
        if repeats and not repeatable:
            # RE2 repeats an anchor, Python says that there is nothing to repeat.
            raise Refusal(start, "PATTERN_INVALID", "There is nothing to repeat before this; write \\ before the character.")
        if repeats and pattern[at : at + 1] == "?":
            piece += "?"
            at += 1
        repeatable = not repeats and piece not in _ANCHORS and not piece.startswith("(")
        parts.append(piece)
    return "".join(parts)


def _check_python(pattern: str) -> None:
    """Refuse what is no pattern to Python, such as a group's name that stands twice: RE2 may well take it."""
    try:
        with warnings.catch_warnings():  # it warns about sets that may mean something else one day
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        at = getattr(error, "pos", None) or 0
        raise Refusal(at, "PATTERN_INVALID", "This is no pattern; correct it here, or write \\ before the character.") from None


def _refused(at: int) -> Refusal:
    return Refusal(at, "PATTERN_UNSUPPORTED", _WHY)


def _piece(pattern: str, at: int) -> tuple[str, int]:
    char = pattern[at]
    if char == "\\":
        return _escape(pattern, at, _OUTSIDE)
    if char == "$":
        # RE2 has to consume the line break, so nothing may follow that could want it.
        if not _ENDS.fullmatch(pattern, at) and not ("(" not in pattern and pattern[at + 1] == "|"):
            raise _refused(at)
        return END, at + 1
    if char == "[":
        return _set(pattern, at)
    if char == "(":
        group = _GROUP.match(pattern, at)
        if not group:
            raise _refused(at)
        return group.group(), group.end()
    if char == "{":
        repeat = _REPEAT.match(pattern, at)
        if repeat:
            return repeat.group(), repeat.end()
        if pattern.startswith("{,", at):
            raise _refused(at)
        return r"\{", at + 1
    if char == "}":
        return r"\}", at + 1
    return char, at + 1


def _escape(pattern: str, at: int, known: dict[str, str]) -> tuple[str, int]:
    char = pattern[at + 1 : at + 2]
    if char in known:
        return known[char], at + 2
    digits = _HEX.match(pattern, at + 1)
    if digits:
        return f"\\x{{{digits.group()[1:]}}}", digits.end()
    if char in _CONTROLS:
        return f"\\{char}", at + 2
    if not char or (char.isascii() and char.isalnum()):
        raise _refused(at)
    return char if char == "_" or not char.isascii() else f"\\{char}", at + 2


def _set(pattern: str, at: int) -> tuple[str, int]:
    """Read `[...]`; a bracket inside stands for itself, as in Python."""
    parts = ["["]
    at += 1
    if pattern[at : at + 1] == "^":
        parts.append("^")
        at += 1
    first = True
    while True:
        char = pattern[at : at + 1]
        if not char:
            raise Refusal(at - 1, "PATTERN_INVALID", "A [ is opened and never closed; write \\[ for the character.")
        if char == "]" and not first:
            return "".join((*parts, "]")), at + 1
        first = False
        if char == "\\":
            piece, at = _escape(pattern, at, _INSIDE)
            parts.append(piece)
            continue
        parts.append(f"\\{char}" if char in "[]" else char)
        at += 1
