"""`munjigi review patch`: what the security team's files should say after a review, for `git apply`."""

from __future__ import annotations

from pathlib import Path

import click

from munjigi.cli.options import state_option


@click.command("patch")
@click.argument("review_id", metavar="REVIEW")
@click.option(
    "--policies",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MUNJIGI_POLICY_HOME",
    show_envvar=True,
    help="Policy home to be changed. Default: ./policies where there is one, else the packaged sample.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    show_envvar=True,
    help="File for the patch. Default: standard output.",
)
@state_option
def review_patch(review_id: str, policies: Path | None, out: Path | None, state_dir: Path) -> None:
    """Write a patch for the policy home, so that it says what a review decided. Without a server.

    Out go changes that would give back what was taken, and rules that nobody reaches any more since then. `git apply` in the folder of the
    policy home takes it; it is empty where no file has to change.
    """
    from munjigi.app.config import Settings
    from munjigi.app.review_patch import review_patch as made_of
    from munjigi.cli.failure import Failure
    from munjigi.kernel.clock import SystemClock

    home = policies or Settings().home()
    found, data = made_of(state_dir, review_id, home, SystemClock().now())
    if out is None:
        click.echo(data, nl=False)
    else:
        try:
            out.write_bytes(data)
        except OSError as error:
            raise Failure(f"{out} can't be written ({error.strerror})", "Name another file, or free space.") from None
    if not data:
        click.echo(f"The patch is empty: no line of {home} grants what review {review_id} took, or none that could go.", err=True)
    for line in (*found.why, *found.stays):
        click.echo(line, err=True)
    for each in found.failing:
        click.echo(f"{each.file}:{each.line}: this decision table asks for what the patch takes out; correct it, too", err=True)
