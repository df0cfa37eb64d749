"""`munjigi notices retry`: deliver again what was given up."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from munjigi.cli.failure import FAILED, USAGE, Failure
from munjigi.cli.options import state_option


@click.command("retry")
@click.argument("notices", nargs=-1, metavar="[NOTICE]...")
@click.option(
    "--all", "everything", is_flag=True, envvar="MUNJIGI_NOTICES_RETRY_ALL", show_envvar=True, help="All that were given up."
)
@state_option
def notices_retry(state_dir: Path, notices: tuple[str, ...], everything: bool) -> None:
    """Let notices that were given up wait again, as if they were new, and try those that wait at once.

    Mend first what `munjigi notices list` gives as their last failure. The running follower sends them within seconds.
    """
    from munjigi.adapters.notices.outbox import Outbox
    from munjigi.app.files import StateFolder
    from munjigi.app.state import has_state, write_state
    from munjigi.kernel.clock import SystemClock

    if bool(notices) == everything:
        raise Failure("Which notices?", "Give ids of `munjigi notices list --given-up`, or --all.", USAGE)
    folder = StateFolder(state_dir)
    if not has_state(folder):
        raise Failure(f"There are no notices in {state_dir}.", "Name the right folder with --state-dir (MUNJIGI_STATE_DIR).")
    with closing(write_state(folder)) as store:
        count = Outbox(lambda: store).retry(notices, now=SystemClock().now())
    click.echo(f"{count} notice{'' if count == 1 else 's'} will be tried now.")
    if count < len(notices):
        raise Failure("Some ids name no notice that waits or was given up.", "`munjigi notices list` has them.", FAILED)
