"""Findings as a compiler shows them: what is wrong, the line with the place marked, and how to repair it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import click

from munjigi.cli.output import safe
from munjigi.policy.types import Problem

_COLOURS: Final = {"warning": "yellow", "error": "red"}
_WIDEST: Final = 160  # characters of a shown line
_TOKEN: Final = re.compile(r'[^\s,=\[\]{}"]+|"[^"]*"|.')


def print_findings(problems: Iterable[Problem], files: Mapping[str, bytes], folder: str) -> None:
    """Print each finding over some lines; `folder` goes before the file names, so that an editor can jump there."""
    lines = _Lines(files)
    for each in problems:
        what, repair = _parts(each.message)
        severity = click.style(f"{each.severity}[{each.code}]", fg=_COLOURS[each.severity], bold=True)
        click.echo(f"{severity}: {safe(what)}")
        place = ":".join([f"{folder}{each.file}", *(str(number) for number in (each.line, each.column) if number)])
        number = str(each.line or "")
        margin = " " * len(number)
        click.echo(f"{margin}--> {safe(place)}")
        text = lines.line(each.file, each.line)
        if text:
            shown, start, length = _window(text, each.column)
            click.echo(f"{margin} |")
            click.echo(f"{number} | {shown}")
            if length:
                marks = click.style("^" * length, fg=_COLOURS[each.severity], bold=True)
                click.echo(f"{margin} | {' ' * start}{marks}")
        if repair:
            click.echo(f"{margin} = help: {safe(repair)}")
        click.echo()


class _Lines:
    """The lines of the files, split when one of them is asked for."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._split: dict[str, list[str]] = {}

    def line(self, file: str, number: int) -> str:
        """Return a line, from 1; empty when there is none."""
        if file not in self._split:
            self._split[file] = self._files.get(file, b"").decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
        found = self._split[file]
        return found[number - 1] if 0 < number <= len(found) else ""


def _window(text: str, column: int) -> tuple[str, int, int]:
    """Return the part of a line around a column (from 1), where in it the marked word begins, and how long that is."""
    first = max(0, column - _WIDEST // 2) if len(text) > _WIDEST else 0
    before, word = text[first : column - 1] if column else "", _TOKEN.match(text, column - 1) if column else None
    # A tab or a harmful character takes as many places as it is shown with.
    shown = safe(text[first : first + _WIDEST].replace("\t", " "))
    start = len(safe(before.replace("\t", " ")))
    length = len(word[0]) if word else int(bool(column))
    return shown, start, max(0, min(length, len(shown) - start)) or int(bool(column))


def _parts(message: str) -> tuple[str, str]:
    """Split a message into what is wrong and what to do about it."""
    what, found, repair = message.partition("; ")
    if not found:
        what, found, repair = message.partition(". ")
    return what.rstrip("."), repair
