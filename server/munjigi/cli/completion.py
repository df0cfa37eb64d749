"""`munjigi completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click

from munjigi.cli.failure import Failure


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: munjigi completion bash > ~/.local/share/bash-completion/completions/munjigi
    zsh:  munjigi completion zsh > "${fpath[1]}/_munjigi"
    fish: munjigi completion fish > ~/.config/fish/completions/munjigi.fish
    """  # noqa: D301 - \b is click's mark for lines that are not to be wrapped
    from click.shell_completion import get_completion_class

    from munjigi.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise Failure("This shell has no completion.", "Use bash, zsh or fish.")
    # click's `source()` starts bash to ask for its version; the template alone needs no shell at all.
    made = kind(cli, {}, "munjigi", "_MUNJIGI_COMPLETE")
    click.echo(made.source_template % made.source_vars())
