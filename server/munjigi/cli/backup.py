"""`munjigi backup`: one file from which an installation can be restored, made beside a running daemon; keys in another one."""

from __future__ import annotations

from pathlib import Path

import click

from munjigi.cli.options import state_option

_NEW = click.Path(path_type=Path, dir_okay=False)


@click.command("backup")
@click.argument("file", type=_NEW)
@state_option
@click.option("--keys", type=_NEW, show_envvar=True, help="Also write the keys, to this file. Keep it apart from the backup.")
@click.option(
    "--check", "only_check", is_flag=True, show_envvar=True, help="Read FILE through, and name the first file that is bad."
)
def backup(file: Path, state_dir: Path, keys: Path | None, only_check: bool) -> int:
    """Write a backup of the state folder to FILE.

    Works beside a running daemon or without one, as the same user. Records, seal, people, grants and policies are in it, and no
    key. It is read back before the command ends.
    """
    import os
    import time

    from munjigi.app.backup import back_up
    from munjigi.app.backup_contents import DATA, read_through
    from munjigi.app.files import StateFolder
    from munjigi.cli.failure import DONE, UNVERIFIED, Failure
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import safe
    from munjigi.cli.progress import Progress
    from munjigi.kernel.errors import Corruption

    if only_check and keys is not None:
        raise click.UsageError("--check reads FILE; --keys belongs to making a backup.")
    if keys is not None and keys.absolute() == file.absolute():
        raise click.UsageError("--keys names another file: whoever has the backup must not have the keys.")
    with Progress() as progress:
        if only_check:
            try:
                made = read_through(file, DATA)[0]
            except Corruption as error:
                raise Failure(safe(error.message), "Keep it for a look, and make another backup.", UNVERIFIED) from None
        else:
            made = back_up(StateFolder(state_dir), file, keys, now=time.time_ns(), randomness=os.urandom(16), progress=progress)
    records = sum(each.records for each in made.logs)
    click.echo(f"{file}: {len(made.files)} files with {records} records of {len(made.logs)} logs, as of {show_moment(made.time)}")
    click.echo(f"  backup {made.backup_id}, sealed up to checkpoint {made.entries} of {made.origin}")
    if keys is not None:
        click.echo(f"  keys in {keys}: keep them apart; without them the backup can't be restored")
    elif not only_check:
        click.echo("  no keys in it: `--keys FILE` writes them, once and after each `munjigi audit rotate-key`")
    return DONE
