"""Whether a command that a page or a panel names is there."""

from __future__ import annotations

import shlex

import click

from munjigi.cli.main import cli


def has_command(line: str) -> None:
    """Fail when `line`, which begins with the program's name, is no command with these options."""
    command: click.Command = cli
    words = shlex.split(line)[1:]
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known, line
