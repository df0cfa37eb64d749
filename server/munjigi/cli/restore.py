"""`munjigi restore`: a backup into an empty folder, verified, and begun anew under names that nothing lost has used."""

from __future__ import annotations

from pathlib import Path

import click

from munjigi.cli.options import state_option, state_url_options

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("restore")
@click.argument("file", type=_FILE)
@state_option
@click.option("--keys", type=_FILE, required=True, show_envvar=True, help="The keys that `munjigi backup --keys` wrote.")
@click.option("--reason", required=True, show_envvar=True, help="Why: one line, which is recorded.")
@click.option(
    "--checkpoint",
    type=_FILE,
    show_envvar=True,
    help="The last signed checkpoint that a witness or an auditor holds: what was sealed after the backup is then stated.",
)
@state_url_options
def restore(
    file: Path,
    state_dir: Path,
    keys: Path,
    reason: str,
    checkpoint: Path | None,
    state_url: str,
    state_authority: Path | None,
    state_password_file: Path | None,
) -> int:
    """Restore the backup FILE into an empty or absent state folder.

    Everything is verified before it counts. Every log of the backup is ended, and the seal goes on under another name; the first
    start records what was restored, why, and from when on records are missing. With --state-url, people, grants and requests go into
    that database, which must be empty, whatever they were in when the backup was made.
    """
    import os
    import pwd
    import time

    from munjigi.app.files import StateFolder
    from munjigi.app.restore import restore as put_back
    from munjigi.app.state import address_from
    from munjigi.cli.failure import DONE, UNVERIFIED, Failure
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import safe
    from munjigi.cli.progress import Progress
    from munjigi.kernel.errors import Corruption

    try:
        operator = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        operator = str(os.getuid())
    os.umask(0o077)
    folder = StateFolder(state_dir)
    try:
        with Progress() as progress:
            done = put_back(
                file,
                keys,
                folder,
                reason=reason,
                operator=operator,
                kept=checkpoint,
                now=time.time_ns(),
                randomness=lambda: os.urandom(16),
                progress=progress,
                address=address_from(state_url, state_authority, state_password_file),
            )
    except Corruption as error:
        raise Failure(safe(error.message), "Nothing was restored.", UNVERIFIED) from None
    records = sum(each.records for each in done.logs)
    click.echo(f"{state_dir}: {records} records of {len(done.logs)} logs, verified, as of {show_moment(done.backup_time)}")
    click.echo(f"  sealed up to checkpoint {done.continued_entries} of {done.continued_origin}; what came later is not here")
    if done.kept_entries:
        click.echo(f"  known to be lost: {done.lost_entries} sealed entries, by the checkpoint that was given")
    click.echo("The first start records this. Give auditors and witnesses the key under its new name:")
    click.echo(f"  {(folder.keys / 'seal.vkey').read_text('ascii').strip()}")
    return DONE
