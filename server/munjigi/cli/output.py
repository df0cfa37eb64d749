"""What a command prints: JSON in the wire's names for programs, tables for people.

Text that came from elsewhere is made harmless first: a record must not move someone's cursor.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Final, TextIO, cast

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from munjigi.cli.options import Output

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

# Control characters (C0, DEL, C1), and the marks that reorder text on a terminal.
_HARMFUL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_BLANKS: Final = re.compile(" +\n")
_WIDE: Final = 200  # columns, where nobody looks and a program may read


def safe(text: str) -> str:
    """Write harmful characters as their JSON escapes."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def as_dict(message: Message) -> dict[str, Any]:
    """Return the protobuf JSON form under the wire's names, with empty fields, so that its shape does not vary."""
    shape: dict[str, Any] = _whole(
        MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    )
    return shape


def _whole(value: Any) -> Any:
    """Write the whole numbers of a Struct, whose numbers are all doubles, as whole numbers."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def print_json(value: Message | Mapping[str, Any]) -> None:
    """Print one JSON document."""
    _write(json.dumps(as_dict(value) if isinstance(value, Message) else value, ensure_ascii=False, indent=2))


def print_lines(values: Iterable[Message | Mapping[str, Any]]) -> None:
    """Print one JSON object a line."""
    for value in values:
        _write(json.dumps(as_dict(value) if isinstance(value, Message) else value, ensure_ascii=False, separators=(",", ":")))


def print_machine(output: Output, whole: Message | Mapping[str, Any], parts: Iterable[Message | Mapping[str, Any]]) -> bool:
    """Print `whole` as json or `parts` as ndjson; tell whether that was asked for."""
    if output == "json":
        print_json(whole)
    elif output == "ndjson":
        print_lines(parts)
    return output != "table"


def _write(text: str) -> None:
    # json.dumps escapes C0 but lets DEL, C1, the bidirectional marks and lone surrogates through; `\\uXXXX` is JSON, too.
    sys.stdout.write("\n".join(safe(line) for line in text.split("\n")) + "\n")


class _Trimmed(io.TextIOBase):
    """Standard output without the blanks that tables put at the end of lines."""

    def __init__(self, target: TextIO) -> None:
        self._target = target

    def write(self, text: str) -> int:
        """Write, without blanks before line ends."""
        return self._target.write(_BLANKS.sub("\n", text))

    def flush(self) -> None:
        """Flush."""
        self._target.flush()


def console() -> Console:
    """Return a console on standard output, wide when nobody looks, so that nothing is cut off in a pipe."""
    from rich.console import Console

    if not sys.stdout.isatty():
        return Console(file=cast("IO[str]", _Trimmed(sys.stdout)), width=_WIDE, highlight=False, markup=False, emoji=False)
    return Console(width=shutil.get_terminal_size().columns, highlight=False, markup=False, emoji=False)


def table(*columns: str, title: str = "", fold: Sequence[str] = (), right: Sequence[str] = ()) -> Table:
    """Return an empty table with these column heads; columns in `fold` break anywhere, those in `right` hold numbers."""
    from rich import box
    from rich.table import Table

    made = Table(
        box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", header_style="bold", pad_edge=False
    )
    for name in columns:
        made.add_column(
            name,
            overflow="fold",
            no_wrap=name not in fold,
            min_width=8 if name in fold else None,
            justify="right" if name in right else "left",
        )
    return made


def facts(pairs: Iterable[tuple[str, str | Text]]) -> Table:
    """Return a grid of names and values, without the empty ones."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            grid.add_row(name, safe(value) if isinstance(value, str) else value)
    return grid


def lines(text: str) -> Text:
    """Return text of several lines, each made harmless."""
    return styled("\n".join(safe(line) for line in text.splitlines()), "", trusted=True)


def styled(text: str, style: str, *, trusted: bool = False) -> Text:
    """Return text in a style, made harmless unless it is already."""
    from rich.text import Text

    return Text(text if trusted else safe(text), style=style)


_STYLES: Final = {
    "ALLOW": "bold green",
    "DENY": "bold red",
    "clear": "green",
    "masked": "yellow",
    "denied": "red",
    "ok": "green",
    "skip": "dim",
    "warn": "yellow",
    "warning": "yellow",
    "fail": "bold red",
    "error": "bold red",
}


def verdict(word: str) -> Text:
    """Return one of the known words in its colour; the word alone carries the meaning."""
    return styled(word, _STYLES.get(word, ""))


def short_name(enum_name: str, prefix: str) -> str:
    """Return the word of an enum value: `FIELD_EFFECT_MASKED` -> `masked`."""
    return enum_name.removeprefix(prefix).lower()
