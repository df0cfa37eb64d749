"""Read the examples: `NAME.conf`, `NAME.csv`, and `NAME.asked` with a verdict and a request a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.conf"))


class Example(NamedTuple):
    """One example. `asked` has a verdict, `allow` or `deny`, and the request's values."""

    model: str
    policy: str
    asked: tuple[tuple[str, tuple[object, ...]], ...]


def _values(text: str) -> tuple[object, ...]:
    """Split a request at its commas; a value that starts with `{` is a JSON object."""
    values: list[object] = []
    text = text.strip()
    while True:
        if text.startswith("{"):
            value, end = json.JSONDecoder().raw_decode(text)
            values.append(value)
            text = text[end:].lstrip()
            if not text:
                return tuple(values)
            text = text[1:].lstrip()
            continue
        cell, comma, text = text.partition(",")
        values.append(cell.strip())
        if not comma:
            return tuple(values)
        text = text.lstrip()


def read(name: str) -> Example:
    """Return an example by name."""
    asked = []
    for line in (HERE / f"{name}.asked").read_text(encoding="utf-8").splitlines():
        verdict, _, request = line.partition(" ")
        asked.append((verdict, _values(request)))
    return Example(
        (HERE / f"{name}.conf").read_text(encoding="utf-8"), (HERE / f"{name}.csv").read_text(encoding="utf-8"), tuple(asked)
    )
