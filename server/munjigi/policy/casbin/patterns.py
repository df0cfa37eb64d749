"""Patterns of the matcher functions, as RE2 understands them. A pattern is compiled once, where a policy is loaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import re2

from munjigi.policy.casbin.globs import from_glob
from munjigi.policy.casbin.refusal import MAX_PATTERN, Refusal
from munjigi.policy.casbin.regexes import from_python

_MEMORY: Final = 4 * 1024 * 1024  # bytes a compiled pattern may take; RE2 falls back to its slower engine beyond
_COLON: Final = re.compile(r":[^/]+")
_BRACE_SHORT: Final = re.compile(r"\{[^/]+?\}")
_BRACE_LONG: Final = re.compile(r"\{[^/]+\}")
_NAMED: Final = re.compile(r"\{([^/]+)\}")
_SPECIAL: Final = frozenset("\\.^$*+?{}[]()|")


def translated(function: str, pattern: str) -> str:
    """Return the RE2 pattern of a function's pattern, anchored at the start.

    Raises `Refusal` for a pattern that is none or can't run in linear time.
    """
    if len(pattern) > MAX_PATTERN:
        raise Refusal(0, "PATTERN_TOO_LONG", f"A pattern has at most {MAX_PATTERN} characters; shorten it.")
    return _TRANSLATORS[function](pattern)


def compiled(function: str, pattern: str) -> Any:
    """Return the compiled RE2 pattern. Raises `Refusal` as `translated` does."""
    return compile_re2(translated(function, pattern))


def compile_re2(pattern: str) -> Any:
    """Compile what `translated` returned. Raises `Refusal` when RE2 refuses it."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError):
        message = "This is no pattern, or one that can't run in linear time; it has no look-around, back reference or huge count."
        raise Refusal(0, "PATTERN_INVALID", message) from None


def names_of(function: str, pattern: str) -> list[str]:
    """Return the names that a pattern of keyMatch4, keyGet2 or keyGet3 binds, in order."""
    pattern = pattern.replace("/*", "/.*")
    if function == "keyGet2":
        return [each[1:] for each in _COLON.findall(pattern)]
    if function == "keyGet3":
        return [each[1:-1] for each in _BRACE_SHORT.findall(pattern)]
    return _NAMED.findall(pattern)


def literal_prefix(pattern: str) -> str:
    """Return what every text starts with that a translated pattern matches; empty when nothing is certain."""
    if not pattern.startswith("^") or "|" in pattern:
        return ""
    end = 1
    while end < len(pattern) and pattern[end] not in _SPECIAL:
        end += 1
    # A repetition may take the last character away.
    return pattern[1 : end - 1] if pattern[end : end + 1] in {"*", "?", "{"} else pattern[1:end]


def _colon(pattern: str) -> str:
    body = _COLON.sub(r"[^/]+", pattern.replace("/*", "/.*"))
    return from_python(f"^{'(.*)' if body == '*' else body}$")


def _get_colon(pattern: str) -> str:
    body = _COLON.sub(r"([^/]+)", pattern.replace("/*", "/.*"))
    return from_python(f"^{'(.*)' if body == '*' else body}$")


def _brace(pattern: str) -> str:
    return from_python(f"^{_BRACE_SHORT.sub('[^/]+', pattern.replace('/*', '/.*'))}$")


def _get_brace(pattern: str) -> str:
    body = _BRACE_SHORT.sub("([^/]+?)", pattern.replace("/*", "/.*"))
    return from_python(f"^{'(.*)' if body == '*' else body}$")


def _same(pattern: str) -> str:
    body = _NAMED.sub("([^/]+)", pattern.replace("/*", "/.*"))
    found = from_python(f"^{body}$")
    if compile_re2(found).groups != len(names_of("keyMatch4", pattern)):
        raise Refusal(0, "PATTERN_INVALID", "A keyMatch4 pattern has no groups of its own besides its names in braces.")
    return found


def _query(pattern: str) -> str:
    return from_python(f"^{_BRACE_LONG.sub('[^/]+', pattern.replace('/*', '/.*'))}$")


_TRANSLATORS: Final[dict[str, Callable[[str], str]]] = {
    "keyMatch2": _colon,
    "keyMatch3": _brace,
    "keyMatch4": _same,
    "keyMatch5": _query,
    "keyGet2": _get_colon,
    "keyGet3": _get_brace,
    "regexMatch": from_python,
    "globMatch": from_glob,
}
