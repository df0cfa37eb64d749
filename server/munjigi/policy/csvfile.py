"""Read CSV as RFC 4180 has it, with `#` comment lines and blank lines, and know where each cell stands.

Spaces around an unquoted cell do not count. A quoted cell keeps what is between its quotes, line breaks included.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from munjigi.policy.findings import Findings

_BREAKS: Final = re.compile(r"\r\n|\n")
_BARE: Final = re.compile(r'[^,"\r\n]*')
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_strip = str.strip
_new = tuple.__new__  # a NamedTuple's own constructor costs twice as much


class Row(NamedTuple):
    """One record: its first line, its cells, and the column of each (from 1).

    `quoted` tells whether any cell was written in quotes; `lines` is how many lines it takes.
    """

    line: int
    cells: tuple[str, ...]
    text: str
    quoted: bool

    def column(self, cell: int) -> int:
        """Return the column where a cell starts, on the row's first line; 0 when it starts on a later line or is absent."""
        if not self.quoted:
            parts = self.text.split(",")
            if cell >= len(parts):
                return len(self.text.rstrip()) + 1
            before = sum(len(part) + 1 for part in parts[:cell])
            return before + len(parts[cell]) - len(parts[cell].lstrip()) + 1
        starts = _quoted_starts(self.text)
        if cell >= len(starts):
            return 0
        return starts[cell] + 1 if "\n" not in self.text[: starts[cell]] else 0


def read_rows(file: str, text: str, findings: Findings) -> list[Row]:
    """Return the records of a CSV text; what is no CSV is reported and left out."""
    rows: list[Row] = []
    lines = _BREAKS.split(text)
    number = 0
    total = len(lines)
    clean = _CONTROL.search(text.replace("\r\n", "\n")) is None
    while number < total:
        line = lines[number]
        number += 1
        if '"' not in line:
            stripped = line.strip()
            if not stripped or stripped[0] == "#":
                continue
            if not clean and _CONTROL.search(line) is not None:
                _control(file, number, line, findings)
                continue
            rows.append(_new(Row, (number, tuple(map(_strip, line.split(","))), line, False)))
            continue
        if line.lstrip()[:1] == "#":
            continue
        number = _read_quoted(file, lines, number, rows, findings)
    return rows


def _control(file: str, line: int, text: str, findings: Findings) -> None:
    found = _CONTROL.search(text)
    column = found.start() + 1 if found else 0
    findings.error(file, line, column, "CSV_CONTROL_CHARACTER", "A control character stands here; remove it.")


def _read_quoted(file: str, lines: list[str], number: int, rows: list[Row], findings: Findings) -> int:
    """Read the record that starts at line `number`; return how many lines are used up then."""
    first = number
    text = lines[number - 1]
    # A line break inside quotes continues the record; an odd number of quotes means that one is open.
    while text.count('"') % 2 and number < len(lines):
        following = lines[number]
        text += "\n" + following
        number += 1
    if text.count('"') % 2:
        # Nothing closes it: only its own line is given up, so that what follows is still checked.
        column = lines[first - 1].rfind('"') + 1
        findings.error(
            file,
            first,
            column,
            "CSV_UNTERMINATED_QUOTE",
            'A quote is opened and never closed; close it, or write "" for one quote.',
        )
        return first
    if _CONTROL.search(text) is not None:
        _control(file, first, text, findings)
        return number
    cells: list[str] = []
    at = 0
    while True:
        cell, at, problem = _read_cell(text, at)
        if problem:
            line = first + text.count("\n", 0, at)
            column = at - (text.rfind("\n", 0, at) + 1) + 1
            findings.error(file, line, column, "CSV_STRAY_QUOTE", problem)
            return number
        cells.append(cell)
        if at >= len(text):
            break
        at += 1  # the comma
    rows.append(Row(first, tuple(cells), text, quoted=True))
    return number


def _read_cell(text: str, at: int) -> tuple[str, int, str]:
    """Return a cell, where it ends, and what is wrong with it (empty when nothing is)."""
    start = at
    while at < len(text) and text[at] in " \t":
        at += 1
    if at >= len(text) or text[at] != '"':
        found = _BARE.match(text, start)
        end = found.end() if found else start
        if end < len(text) and text[end] != ",":
            return "", end, 'A quote stands inside an unquoted cell; put the whole cell in quotes and write "" for one quote.'
        return text[start:end].strip(), end, ""
    parts: list[str] = []
    at += 1
    while True:
        close = text.find('"', at)
        if close < 0:
            return "", len(text), "A quote is opened and never closed."
        parts.append(text[at:close])
        if text[close + 1 : close + 2] != '"':
            at = close + 1
            break
        parts.append('"')
        at = close + 2
    while at < len(text) and text[at] in " \t":
        at += 1
    if at < len(text) and text[at] != ",":
        return "", at, "Only a comma may follow a closing quote."
    return "".join(parts), at, ""


def _quoted_starts(text: str) -> list[int]:
    starts: list[int] = []
    at = 0
    while True:
        skip = at
        while skip < len(text) and text[skip] in " \t":
            skip += 1
        starts.append(skip)
        _, at, problem = _read_cell(text, at)
        if problem or at >= len(text):
            return starts
        at += 1
