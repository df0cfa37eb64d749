r"""Patterns of case ids: a small closed language that always matches in bounded time.

A pattern is a sequence of literals, `\d`, and classes such as `[A-Z0-9]`, each with an optional count `{n}`,
`{m,n}` or `?`. No groups, alternatives or unbounded repeats, and at most two counts that may vary, so that a
match costs at most the square of a case id's 64 characters (a regular expression from a file could cost years).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

MAX_CASE_ID: Final = 64
_ATOM: Final = re.compile(
    r"(?P<atom>\\d|\\[.\-]|[A-Za-z0-9_-]|\[(?:[A-Za-z0-9](?:-[A-Za-z0-9])?|[._])+\])(?P<count>\{\d{1,2}(?:,\d{1,2})?\}|\?)?"
)


def matcher(pattern: str) -> Callable[[str], bool] | str:
    """Return a test of whole case ids, or the reason why the pattern is refused.

    The empty pattern matches no case id at all.
    """
    if not pattern:
        return _matches_nothing
    at = 0
    varying = 0
    while at < len(pattern):
        found = _ATOM.match(pattern, at)
        if found is None:
            return (
                rf"Character {at + 1} is not allowed; use letters, digits, - _ \. \d and [A-Z], with counts {{4}}, {{1,6}} or ?."
            )
        count = found["count"] or ""
        varying += count == "?" or "," in count
        at = found.end()
    if varying > 2:
        return "At most two counts may vary ({1,6} or ?); write the others as {n}."
    try:
        compiled = re.compile(rf"(?:{pattern})\Z", re.ASCII)
    except (re.error, OverflowError):
        return "A range or count runs backwards; write the smaller end first."

    def matches(case_id: str) -> bool:
        return len(case_id) <= MAX_CASE_ID and compiled.match(case_id) is not None

    return matches


def _matches_nothing(_case_id: str) -> bool:
    return False
