"""Say in RE2's syntax what a `globMatch` pattern means: `*`, `?`, `[...]`, `**` as a whole segment, `{a,b}`.

As in pycasbin: a wildcard that begins a segment doesn't match a leading dot, slashes may be doubled, one may end the text.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final, NamedTuple

from munjigi.policy.casbin.refusal import MAX_PATTERN, Refusal

MAX_BRANCHES: Final = 64
_STARS: Final = re.compile(r"\*{2,}")
_SEGMENT: Final = "[^/.][^/]*"
_LAST: Final = 0x10FFFF


class _Set(NamedTuple):
    """The characters that a wildcard may stand for: sorted ranges, both ends included."""

    ranges: tuple[tuple[int, int], ...]

    def without(self, *chars: str) -> _Set:
        kept = list(self.ranges)
        for point in map(ord, chars):
            cut: list[tuple[int, int]] = []
            for low, high in kept:
                if not low <= point <= high:
                    cut.append((low, high))
                    continue
                cut.extend(part for part in ((low, point - 1), (point + 1, high)) if part[0] <= part[1])
            kept = cut
        return _Set(tuple(kept))

    def inverted(self) -> _Set:
        found: list[tuple[int, int]] = []
        at = 0
        for low, high in sorted(self.ranges):
            if low > at:
                found.append((at, low - 1))
            at = max(at, high + 1)
        if at <= _LAST:
            found.append((at, _LAST))
        return _Set(tuple(found))

    def regex(self) -> str:
        if not self.ranges:
            return r"[^\x00-\x{10FFFF}]"
        return "[" + "".join(f"\\x{{{low:X}}}-\\x{{{high:X}}}" for low, high in self.ranges) + "]"


# A literal character, a set of them, or a star, which no single character can be taken for.
_Token = str | _Set
_STAR: Final = "star"
_DOT: Final = "."


def from_glob(pattern: str) -> str:
    """Return an anchored pattern for RE2. Raises `Refusal` for what this glob language doesn't have."""
    if len(pattern) > MAX_PATTERN:
        raise Refusal(0, "PATTERN_TOO_LONG", f"A pattern has at most {MAX_PATTERN} characters; shorten it.")
    while pattern.startswith("*/"):
        pattern = pattern[1:]
    pattern = "/".join(part if part == "**" else _STARS.sub("*", part) for part in pattern.split("/"))
    if pattern == "":
        return r"^\z"
    if pattern.endswith("/**"):
        # Done to the text, as there: a comma in what stands before is one of these braces, too.
        pattern = f"{{{pattern[:-3]},{pattern}}}"
    branches = [each for each in _expand(pattern) if each]
    return "^(?:" + "|".join(_branch(each) for each in branches) + r")\z"


def _unsupported(what: str) -> Refusal:
    return Refusal(0, "PATTERN_UNSUPPORTED", f"{what} is not supported in a globMatch pattern.")


def _expand(pattern: str) -> list[str]:
    """Return what the braces of a pattern stand for; braces without a comma stand for themselves."""
    done: list[str] = []
    pending = [(pattern, 0)]
    while pending:
        text, start = pending.pop()
        opened = _next_brace(text, start)
        if opened < 0:
            done.append(text)
        else:
            cuts = _cuts(text, opened)
            if len(cuts) == 2:
                if ".." in text[opened : cuts[-1]]:
                    raise _unsupported("A range in braces")
                pending.append((text, opened + 1))
            else:
                rest = text[cuts[-1] + 1 :]
                options = [text[one + 1 : other] for one, other in pairwise(cuts)]
                pending.extend((text[:opened] + option + rest, opened) for option in reversed(options))
        if len(done) + len(pending) > MAX_BRANCHES:
            raise Refusal(0, "PATTERN_TOO_LONG", f"The braces stand for more than {MAX_BRANCHES} patterns; use fewer.")
    return done


def _next_brace(text: str, at: int) -> int:
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "{":
            if at and text[at - 1] == "$":
                raise _unsupported("${")
            return at
        at += 1
    return -1


def _cuts(text: str, opened: int) -> list[int]:
    """Return the places of a brace, of the commas on its own level, and of its closing brace."""
    cuts = [opened]
    depth = 0
    at = opened
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                cuts.append(at)
                return cuts
        elif char == "," and depth == 1:
            cuts.append(at)
        at += 1
    raise _unsupported("A brace that nothing closes")


def _branch(pattern: str) -> str:
    segments: list[str] = []
    for each in re.split(r"/+", pattern):
        if each == "**" and segments and segments[-1] == "**":
            continue
        segments.append(each)
    if segments[-1] == "" and segments[-2] == "**":
        raise _unsupported("A slash after a last **")
    last = len(segments) - 1
    parts: list[str] = []
    for place, each in enumerate(segments):
        if each == "**":
            parts.append(_globstar(first=place == 0, last=place == last))
            continue
        if place and segments[place - 1] != "**":
            parts.append("/+")
        parts.append(_segment(each))
    if segments[-1] not in {"", "**"}:
        parts.append("/*")
    return "".join(parts)


def _globstar(*, first: bool, last: bool) -> str:
    if first and last:
        return f"(?:/*{_SEGMENT}(?:/+{_SEGMENT})*/*|/*)"
    if first:
        return f"(?:/*{_SEGMENT}(?:/+{_SEGMENT})*/+|/*)"
    if last:
        return f"(?:(?:/+{_SEGMENT})+/*|/+)"
    return f"(?:/+{_SEGMENT})*/+"


def _segment(text: str) -> str:
    tokens = _tokens(text)
    parts: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        start = at == 0
        if token != _STAR:
            parts.append(_one(token, start=start))
            at += 1
            continue
        # `*?` and `?*` mean the same: put what takes exactly one character first.
        end = at
        while end < len(tokens) and (tokens[end] == _STAR or tokens[end] == _ANY):
            end += 1
        ones = sum(each == _ANY for each in tokens[at:end])
        parts.append(_run(ones, tokens[end] if end < len(tokens) else None, start=start))
        at = end + (start and not ones and end < len(tokens))
    return "".join(parts)


def _run(ones: int, following: _Token | None, *, start: bool) -> str:
    """Translate stars with `ones` question marks among them; a run that begins a segment takes what follows with it."""
    if not start:
        return "[^/]" * ones + "[^/]*"
    if ones:
        return "[^/.]" + "[^/]" * (ones - 1) + "[^/]*"
    if following is None:
        return _SEGMENT
    return f"(?:{_SEGMENT}{_one(following, start=False)}|{_one(following, start=True, literal_dot=False)})"


def _one(token: _Token, *, start: bool, literal_dot: bool = True) -> str:
    if isinstance(token, _Set):
        return token.without("/", ".").regex() if start else token.without("/").regex()
    if token == _DOT and not literal_dot:
        return _Set(()).regex()
    return re.escape(token) if token.isascii() else token


_ANY: Final = _Set(((0, _LAST),))


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            found.append(_STAR)
        elif char == "?":
            found.append(_ANY)
        elif char == "[":
            close = text.find("]", at + 1 + (text[at : at + 1] in {"!", "^"}))
            if close < 0:
                found.append(char)
                continue
            found.append(_class(text[at:close]))
            at = close + 1
        elif char == "\\":
            if at >= len(text):
                raise _unsupported("A backslash at the end of a segment")
            found.append(text[at])
            at += 1
        else:
            found.append(char)
    return found


def _class(body: str) -> _Set:
    if "\\" in body or "[" in body:
        raise _unsupported("A backslash or [ between brackets")
    negated = body[0] in "!^"
    body = body[1:] if negated else body
    ranges: list[tuple[int, int]] = []
    at = 0
    while at < len(body):
        low = ord(body[at])
        if body[at + 1 : at + 2] == "-" and at + 2 < len(body):
            high = ord(body[at + 2])
            if high < low:
                raise _unsupported("A range from a later to an earlier character")
            at += 3
        else:
            high = low
            at += 1
        ranges.append((low, high))
    found = _Set(tuple(ranges))
    return found.inverted() if negated else found
