"""How Casbin's own file reader (pycasbin 2.8) would split a policy line, to warn where ours differs.

It knows no quotes: it cuts at commas outside of round and square brackets and strips the pieces.
"""

from __future__ import annotations

import re
from typing import Final

from munjigi.policy.csvfile import Row

_TOKEN: Final = re.compile(r"[,\[\]()]")
_SPECIAL: Final = re.compile(r'["\[\]()]')


def reads_differently(row: Row) -> bool:
    """Tell whether Casbin's reader would find other cells in a row, or fail on it."""
    if _SPECIAL.search(row.text) is None:
        return False
    return "\n" in row.text or _split(row.text.strip()) != row.cells


def _split(line: str) -> tuple[str, ...] | None:
    cells: list[str] = []
    depth = 0
    start = 0
    for found in _TOKEN.finditer(line):
        char = found.group()
        if char in "[(":
            depth += 1
        elif char in "])":
            depth -= 1
            if depth < 0:
                return None  # it raises IndexError here
        elif depth == 0:
            cells.append(line[start : found.start()].strip())
            start = found.end()
    cells.append(line[start:].strip())
    return tuple(cells)
