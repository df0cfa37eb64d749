"""Read policy rows: what pycasbin's reader makes of unquoted cells, RFC 4180 for quoted ones, and a refusal for the rest.

In an unquoted cell a comma between `()` or `[]` doesn't end it. A quoted cell is what stands between its quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from munjigi.policy.casbin.refusal import Refusal

_SPECIAL: Final = re.compile(r'["()\[\]]')
_CUT: Final = re.compile(r"[,()\[\]]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_MATE: Final = {")": "(", "]": "["}


class RawRow(NamedTuple):
    """One record with its first cell (`p`, `g2`, ...), and its line (from 1)."""

    key: str
    cells: tuple[str, ...]
    line: int


# (line, column, code, message); columns count from 1.
Report = Callable[[int, int, str, str], None]


def read_policy(text: str, most: int, report: Report) -> list[RawRow]:
    """Return at most `most` records; what is none is reported and left out."""
    rows: list[RawRow] = []
    pool: dict[str, str] = {}
    keep = pool.setdefault
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        raw = lines[number]
        number += 1
        line = raw.strip()
        if not line or line[0] == "#":
            continue
        if len(rows) >= most:
            report(number, 0, "POLICY_TOO_LONG", f"A policy has at most {most} rows; split it.")
            break
        first = number
        try:
            if _CONTROL.search(line) is not None:
                raise Refusal(0, "CSV_CONTROL_CHARACTER", "A control character stands in this line; remove it.")
            if _SPECIAL.search(line) is None:
                cells = [cell.strip() for cell in line.split(",")]
            else:
                line = raw.rstrip("\r")
                while _opens_quote(line) and number < len(lines):
                    line += "\n" + lines[number].rstrip("\r")
                    number += 1
                cells = split(line)
        except Refusal as refusal:
            column = refusal.at + 1 if "\n" not in line[: refusal.at] else 0
            number = first
            report(first, column, refusal.code, refusal.message)
            continue
        rows.append(RawRow(cells[0], tuple([keep(cell, cell) for cell in cells[1:]]), first))
    return rows


def column_of(line: str, cell: int) -> int:
    """Return the column (from 1) where a cell of a record's first line begins; 0 when it stands on a later line."""
    at = 0
    try:
        for _ in range(cell):
            at = _cell(line, at)[1] + 1
            if at > len(line):
                return len(line.rstrip()) + 1
    except Refusal:
        return 0
    return at + len(line[at:]) - len(line[at:].lstrip()) + 1


def split(line: str) -> list[str]:
    """Return the cells of one record. Raises `Refusal` where it is none."""
    cells: list[str] = []
    at = 0
    while True:
        cell, at = _cell(line, at)
        cells.append(cell)
        if at >= len(line):
            return cells
        at += 1  # the comma


def _cell(line: str, at: int) -> tuple[str, int]:
    start = at
    while line[start : start + 1] in {" ", "\t"}:
        start += 1
    return quoted_cell(line, start) if line[start : start + 1] == '"' else _bare(line, at)


def quoted_cell(line: str, start: int) -> tuple[str, int]:
    """Return a cell whose opening quote stands at `start`, and where it ends. Raises `Refusal` where it is none."""
    parts: list[str] = []
    at = start + 1
    while True:
        close = line.find('"', at)
        if close < 0:
            raise Refusal(start, "CSV_UNTERMINATED_QUOTE", "A quote is opened and never closed; close it.")
        parts.append(line[at:close])
        at = close + 1
        if line[at : at + 1] != '"':
            break
        parts.append('"')
        at += 1
    while at < len(line) and line[at] in " \t":
        at += 1
    if at < len(line) and line[at] != ",":
        message = 'Only a comma may follow a closing quote; put the whole cell in quotes and write "" for one quote.'
        raise Refusal(at, "CSV_STRAY_QUOTE", message)
    return "".join(parts), at


def _bare(line: str, start: int) -> tuple[str, int]:
    opened: list[tuple[str, int]] = []
    for found in _CUT.finditer(line, start):
        char = found.group()
        if char in "([":
            opened.append((char, found.start()))
        elif char != ",":
            if not opened or opened.pop()[0] != _MATE[char]:
                message = "This bracket closes none that was opened; put the cell in quotes."
                raise Refusal(found.start(), "CSV_UNBALANCED", message)
        elif not opened:
            return line[start : found.start()].strip(), found.start()
    if opened:
        raise Refusal(opened[-1][1], "CSV_UNBALANCED", "This bracket is never closed; put the cell in quotes.")
    return line[start:].strip(), len(line)


def _opens_quote(line: str) -> bool:
    """Tell whether a quoted cell is still open at the end."""
    at = 0
    while True:
        try:
            _, at = _cell(line, at)
        except Refusal as refusal:
            return refusal.code == "CSV_UNTERMINATED_QUOTE"
        if at >= len(line):
            return False
        at += 1
