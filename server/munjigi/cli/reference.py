"""The command reference, docs/cli.md, out of the commands' own help; `.ci/generate_docs.py` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from munjigi.cli.main import cli

_WIDTH: Final = 100
_HEAD: Final = """# The command line

Generated from `--help`; a test compares them. Change a command, then run
`.venv/bin/python .ci/generate_docs.py`.
"""


def commands(command: click.Command, ctx: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield the command and everything below it, each with the context that its help is written in."""
    yield command, ctx
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from commands(below, context_of(below, name, ctx))


def context_of(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    """Make a context as `main` does, of a fixed width."""
    ctx = click.Context(command, parent=parent, info_name=name, **command.context_settings)
    ctx.terminal_width = ctx.max_content_width = _WIDTH
    return ctx


def reference() -> str:
    """Write the reference in Markdown."""
    parts = [_HEAD]
    for command, ctx in commands(cli, context_of(cli, "munjigi")):
        depth = 2 if ctx.parent is None or ctx.parent.parent is None else 3
        parts.append(f"{'#' * depth} `{ctx.command_path}`\n\n```text\n{command.get_help(ctx).rstrip()}\n```\n")
    return "\n".join(parts)
