"""`munjigi policy diff`: who gains and who loses what between two policies, and which real decisions would change."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from munjigi.cli.failure import DONE, FAILED
from munjigi.cli.moments import Moment
from munjigi.cli.options import Output, output_option
from munjigi.cli.policy_files import home_option
from munjigi.cli.policy_sources import REVISION, load

if TYPE_CHECKING:
    from munjigi.policy.types import PolicyBundle


@click.command("diff")
@click.argument("before")
@click.argument("after", required=False)
@click.option("--git", "revisions", is_flag=True, show_envvar=True, help="BEFORE and AFTER are git revisions: rev: is added.")
@home_option
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    envvar="MUNJIGI_STATE_DIR",
    show_envvar=True,
    help="State folder of a server: count the employees concerned, and ask its recorded decisions again.",
)
@click.option(
    "--since", type=Moment(), default="30d", show_default=True, show_envvar=True, help="Recorded decisions from when on."
)
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, show_envvar=True, help="Most lines of each table."
)
@click.option("--exit-code", is_flag=True, show_envvar=True, help="Exit 1 when there is a difference, as git diff does.")
@output_option
def policy_diff(
    before: str,
    after: str | None,
    revisions: bool,
    policy_home: Path | None,
    state_dir: Path | None,
    since: int,
    limit: int,
    exit_code: bool,
    output: Output,
) -> int:
    """Show who gains and who loses what from one policy to another.

    BEFORE and AFTER are policy homes, or git revisions of the policy home written rev:REVISION; AFTER is the policy home as it
    lies on disk where it is left out. Every role is compared with all that it brings, for every column, action and purpose.
    """
    from munjigi.app.config import Settings
    from munjigi.policy.diff import compare, settings

    home = policy_home or Settings().home()
    names = [f"{REVISION}{name}" if revisions and name else name for name in (before, after)]
    gc.disable()  # two large policies make no garbage, and looking for it takes a third of the time
    try:
        one, other = (load(name or str(home), home) for name in names)
        differences, around = compare(one, other), settings(one, other)
    finally:
        gc.freeze()  # nor shall what stays be looked through later
        gc.enable()
    impact = _impact(state_dir, one, other, differences, since) if state_dir is not None else None
    if output == "table":
        from munjigi.cli.policy_diff_table import show

        show(one, other, differences, around, impact, limit)
    else:
        from munjigi.cli.output import print_machine
        from munjigi.cli.policy_diff_wire import difference_wire, document

        print_machine(output, document(one, other, differences, around, impact), map(difference_wire, differences))
    return FAILED if exit_code and (differences or around) else DONE


def _impact(state: Path, before: PolicyBundle, after: PolicyBundle, differences: Any, since: int) -> Any:
    from munjigi.app.traffic import current_grants, open_state, replay
    from munjigi.cli.policy_diff_wire import Impact
    from munjigi.decision.impact import concerned
    from munjigi.kernel.clock import SystemClock

    store = open_state(state)
    try:
        people = concerned(differences, (before, after), current_grants(store), SystemClock().now())
        return Impact(people, since, replay(state, store, before, after, since))
    finally:
        store.close()
