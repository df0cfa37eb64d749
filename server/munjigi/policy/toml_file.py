"""Read a TOML file so that each finding has a place: the values by tomllib, the places by our own scan.

tomllib keeps no positions. The scan knows `[table]` headers and `key =` lines; for what stands inside of a
value (an inline table) the place of the nearest enclosing key is given.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from munjigi.policy.findings import Findings

_KEY_PART: Final = r'(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|\'[^\']*\')'
_KEYS: Final = rf"{_KEY_PART}(?:\s*\.\s*{_KEY_PART})*"
_HEADER: Final = re.compile(rf"\s*\[\[?\s*(?P<keys>{_KEYS})\s*\]\]?")
_PAIR: Final = re.compile(rf"\s*(?P<keys>{_KEYS})\s*=")
_PART: Final = re.compile(_KEY_PART)
_AT: Final = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_VALUE_TOKEN: Final = re.compile(r'"""|\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}]')

Path = tuple[str, ...]


class TomlFile:
    """The values of a TOML file, and where its keys stand."""

    __slots__ = ("_places", "_text", "file", "values")

    def __init__(self, file: str, values: dict[str, Any], text: str) -> None:
        self.file = file
        self.values = values
        self._text = text
        self._places: dict[Path, tuple[int, int]] | None = None  # scanned at the first finding; most files have none

    def place(self, path: Path) -> tuple[int, int]:
        """Return line and column of a table or key, or of its nearest enclosing one; (0, 0) is the whole file."""
        if self._places is None:
            self._places = _scan(self._text)
        while path:
            found = self._places.get(path)
            if found is not None:
                return found
            path = path[:-1]
        return 0, 0


def read_toml(file: str, text: str, findings: Findings) -> TomlFile | None:
    """Return the file's values and places, or None after reporting the syntax error."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, column, message = _syntax_error(str(error), text)
        findings.error(file, line, column, "TOML_SYNTAX", message)
        return None
    except (RecursionError, ValueError):
        findings.error(file, 0, 0, "TOML_SYNTAX", "The file nests too deeply or has an impossible value; simplify it.")
        return None
    return TomlFile(file, values, text)


def _syntax_error(text: str, source: str) -> tuple[int, int, str]:
    found = _AT.search(text)
    # tomllib's own words for a duplicate name or a wrong value may quote the file; only the known openings are kept.
    kind = (text[: found.start()] if found else text).split("'")[0].split('"')[0].strip(" :(") or "Syntax error"
    message = f"{kind}: this is not TOML; repair the syntax here."
    if found and found[1]:
        return int(found[1]), int(found[2]), message
    lines = source.split("\n")
    return len(lines), len(lines[-1]) + 1, message


def _scan(text: str) -> dict[Path, tuple[int, int]]:
    places: dict[Path, tuple[int, int]] = {}
    table: Path = ()
    at = 0
    line = 1
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        header = _HEADER.match(text, at, end)
        pair = None if header else _PAIR.match(text, at, end)
        if header:
            table = _parts(header["keys"])
            _note(places, table, line, header.start("keys") - at + 1)
        elif pair:
            _note(places, table + _parts(pair["keys"]), line, pair.start("keys") - at + 1)
            end = _value_end(text, pair.end())
        line += text.count("\n", at, min(end + 1, len(text)))
        at = end + 1
    return places


def _note(places: dict[Path, tuple[int, int]], path: Path, line: int, column: int) -> None:
    for length in range(1, len(path) + 1):
        places.setdefault(path[:length], (line, column))


def _parts(keys: str) -> Path:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _PART.findall(keys))


def _value_end(text: str, at: int) -> int:
    """Return where the line that ends a value ends: values span lines inside brackets and triple quotes."""
    depth = 0
    while True:
        found = _VALUE_TOKEN.search(text, at)
        newline = text.find("\n", at)
        newline = len(text) if newline < 0 else newline
        if depth == 0 and (found is None or found.start() > newline):
            return newline
        if found is None:
            return len(text)
        token = found.group()
        at = found.end()
        if token in ('"""', "'''"):
            close = text.find(token, at)
            at = len(text) if close < 0 else close + 3
        elif token in ("[", "{"):
            depth += 1
        elif token in ("]", "}"):
            depth -= 1
