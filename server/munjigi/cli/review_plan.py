"""`munjigi review plan`: a frozen plan that opens a review, or a trial that opens nothing."""

from __future__ import annotations

import dataclasses

import click

from munjigi.cli.moments import Moment
from munjigi.cli.options import Connection, Output, connected


@click.command("plan")
@click.argument("kind", default="unused")
@click.option("--dry-run", is_flag=True, help="Only show what would be planned: nothing is kept, nobody is told.")
@click.option("--as-of", type=Moment(), default=None, show_envvar=True, help="Judge as of this moment; with --dry-run.")
@click.option(
    "--unused-days",
    type=click.IntRange(1, 36_500),
    default=None,
    metavar="N",
    show_envvar=True,
    help="How long a grant may lie unused, instead of what its role says; with --dry-run. Days.",
)
@click.option(
    "--months",
    type=click.IntRange(0, 36),
    default=0,
    show_default=True,
    show_envvar=True,
    help="Show the excess of so many months before, too; with --dry-run.",
)
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Repeated with the same id, it is one review.")
@connected
def review_plan(
    connection: Connection,
    output: Output,
    kind: str,
    dry_run: bool,
    as_of: int | None,
    unused_days: int | None,
    months: int,
    request_id: str,
) -> None:
    """Plan a review of KIND, a row of reviews.toml, and open it: its reviewers are told, and decide.

    What was used is counted from the trail; where that has a gap, nothing is planned (exit code 4). Needs `operate` on
    `munjigi.review`, a trial `read`.
    """
    from munjigi.cli.output import console, print_machine, styled
    from munjigi.cli.review_plot import excess_lines
    from munjigi.cli.review_table import items_table, review_facts
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

    if not dry_run and (as_of is not None or unused_days is not None or months):
        raise click.UsageError(
            "--as-of, --unused-days and --months go with --dry-run: what is opened is judged now, as policy says."
        )
    wanted = calls.PlanReviewRequest(
        request_id=request_id, kind=kind, dry_run=dry_run, as_of=as_of or 0, unused_days=unused_days or 0, months=months
    )
    with Session(_patient(connection)) as session:
        planned = session.ask(wanted, calls.PlanReviewResponse)
    if print_machine(output, planned, [planned.review, *planned.items]):
        return
    screen = console()
    screen.print(review_facts(planned.review))
    if planned.items:
        screen.print(items_table(planned.items, title="What would change"))
    for line in excess_lines(planned.excess):
        click.echo(line)
    if planned.record_id:
        click.echo(f"opened as {planned.review.review_id}, recorded as {planned.record_id}")
    else:
        screen.print(styled("a trial: nothing was kept, nobody was told", "dim"))


def _patient(connection: Connection) -> Connection:
    """Allow at least two minutes: a plan reads what everybody used."""
    return dataclasses.replace(connection, timeout=max(connection.timeout, 120.0))
