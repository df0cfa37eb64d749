"""Read `model.conf` as pycasbin does: sections, `key = value`, lines joined by a trailing backslash, `#` and `;` comments.

Every character of a value knows its line and column.
"""

from __future__ import annotations

from typing import NamedTuple

from munjigi.policy.casbin.refusal import MAX_MODEL_BYTES
from munjigi.policy.findings import Findings


class _Piece(NamedTuple):
    """Where a part of a joined line comes from. `at` is its offset there; line and column count from 1."""

    at: int
    line: int
    column: int


class Value(NamedTuple):
    """One definition: `key = text` in a section, and where its parts stand."""

    section: str
    key: str
    text: str
    line: int
    start: int
    pieces: tuple[_Piece, ...]

    def place(self, at: int) -> tuple[int, int]:
        """Return line and column of the character `at` of the text."""
        at += self.start
        piece = self.pieces[0]
        for each in self.pieces:
            if each.at <= at:
                piece = each
        return piece.line, piece.column + at - piece.at


def text_of(file: str, content: bytes, findings: Findings, limit: int = MAX_MODEL_BYTES) -> str | None:
    """Return a file's text, or None after reporting why it has none: too large, not UTF-8, a byte order mark, a NUL."""
    if len(content) > limit:
        findings.error(file, 0, 0, "FILE_TOO_LARGE", f"The file has more than {limit} bytes; split or trim it.")
        return None
    if content.startswith(b"\xef\xbb\xbf"):
        findings.error(file, 1, 1, "FILE_HAS_BOM", "The file starts with a byte order mark; save it as UTF-8 without one.")
        return None
    for byte, code, message in ((b"\x00", "FILE_HAS_NUL", "The file has a NUL byte; save it as plain text."),):
        at = content.find(byte)
        if at >= 0:
            findings.error(file, content.count(b"\n", 0, at) + 1, 0, code, message)
            return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        findings.error(file, line, 0, "FILE_NOT_UTF8", "The file is not UTF-8; save it in that encoding.")
        return None


def read_config(file: str, text: str, findings: Findings) -> list[Value]:
    """Return the definitions in order; what is none, and what is defined twice, is reported."""
    found: dict[tuple[str, str], Value] = {}
    section = ""
    joined: list[tuple[str, int, int]] = []

    def flush() -> None:
        if joined:
            _define(file, section, joined, found, findings)
            joined.clear()

    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            flush()
        elif line[0] == "[" and line[-1] == "]":
            flush()
            section = line[1:-1]
        else:
            column = len(raw) - len(raw.lstrip()) + 1
            continued = line[-1] == "\\"
            joined.append((line[:-1].strip() + " " if continued else line, number, column))
            if not continued:
                flush()
    flush()
    return list(found.values())


def _define(
    file: str, section: str, joined: list[tuple[str, int, int]], found: dict[tuple[str, str], Value], findings: Findings
) -> None:
    pieces: list[_Piece] = []
    at = 0
    for text, line, column in joined:
        pieces.append(_Piece(at, line, column))
        at += len(text)
    whole = "".join(text for text, _, _ in joined)
    first = pieces[0]
    key, equals, value = whole.partition("=")
    if not equals:
        findings.error(
            file, first.line, first.column, "MODEL_INVALID", "This is no definition; write it like `r = sub, obj, act`."
        )
        return
    start = len(key) + 1 + len(value) - len(value.lstrip())
    defined = Value(section, key.strip(), value.strip(), first.line, start, tuple(pieces))
    if (section, defined.key) in found:
        findings.error(file, first.line, first.column, "MODEL_TWICE", "This is defined twice; keep one.")
        return
    found[section, defined.key] = defined
