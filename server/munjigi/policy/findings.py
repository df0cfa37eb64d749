"""Findings are collected, never thrown: a reader of policy files reports everything that it sees at once."""

from __future__ import annotations

import re
from typing import Final

from munjigi.kernel.personal import looks_personal
from munjigi.policy.types import Problem, Severity

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_FINDINGS: Final = 1000
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:*-]{0,127}\Z")


def quoted(text: str) -> str:
    """Return `text` in quotes when it looks like a policy name, else `this value` (promise P5)."""
    return f"`{text}`" if _NAME.match(text) and not looks_personal(text) else "this value"


class Findings:
    """The problems seen so far, at most 1,000 of them."""

    __slots__ = ("_dropped", "_errors", "_problems")

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._errors = 0
        self._dropped = 0

    def error(self, file: str, line: int, column: int, code: str, message: str) -> None:
        """Report what keeps the policy from loading. `line` and `column` count from 1; 0 is the whole file or line."""
        self._errors += 1
        self._add(Problem(file, line, column, "error", code, message))

    def warning(self, file: str, line: int, column: int, code: str, message: str) -> Problem:
        """Report what is worth a look, and return it. `line` and `column` count from 1; 0 is the whole file or line."""
        problem = Problem(file, line, column, "warning", code, message)
        self._add(problem)
        return problem

    def _add(self, problem: Problem) -> None:
        if len(self._problems) >= MAX_FINDINGS:
            self._dropped += 1
            return
        self._problems.append(problem)

    @property
    def failed(self) -> bool:
        """Tell whether there was an error, shown or not."""
        return self._errors > 0

    @property
    def count(self) -> int:
        """Return how many errors there were so far, to see whether a step added one."""
        return self._errors

    def all(self) -> tuple[Problem, ...]:
        """Return each distinct problem once, by file, line and column."""
        found = sorted(set(self._problems))
        if self._dropped:
            severity: Severity = "error" if self._errors else "warning"
            more = f"There are {self._dropped} more findings; repair these first."
            found.append(Problem(found[-1].file, 0, 0, severity, "MORE_FINDINGS", more))
        return tuple(found)


def decode(file: str, content: bytes, findings: Findings) -> str | None:
    """Return the text of a policy file, or None after reporting why it has none.

    A file is UTF-8 without byte order mark and NUL, and has at most 16 MiB.
    """
    if len(content) > MAX_FILE_BYTES:
        findings.error(file, 0, 0, "FILE_TOO_LARGE", f"A policy file has at most {MAX_FILE_BYTES} bytes; split or trim it.")
        return None
    if content.startswith(b"\xef\xbb\xbf"):
        findings.error(file, 1, 1, "FILE_HAS_BOM", "The file starts with a byte order mark; save it as UTF-8 without one.")
        return None
    nul = content.find(b"\x00")
    if nul >= 0:
        line, column = _position(content, nul)
        findings.error(file, line, column, "FILE_HAS_NUL", "The file has a NUL byte; save it as plain text.")
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _position(content, error.start)
        findings.error(file, line, column, "FILE_NOT_UTF8", "The file is not UTF-8; save it in that encoding.")
        return None


def _position(content: bytes, offset: int) -> tuple[int, int]:
    start = content.rfind(b"\n", 0, offset) + 1
    return content.count(b"\n", 0, offset) + 1, len(content[start:offset].decode("utf-8", "replace")) + 1
