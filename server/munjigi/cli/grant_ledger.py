"""`munjigi grant ledger`: the whole life of a person's rights, for whoever has to prove it."""

from __future__ import annotations

import click

from munjigi.cli.moments import Moment, zone
from munjigi.cli.options import Connection, Output, connected


@click.command("ledger")
@click.argument("holder", metavar="[EMPLOYEE]", default="")
@click.option(
    "--person",
    "person_id",
    envvar="MUNJIGI_GRANT_LEDGER_PERSON",
    default="",
    metavar="PERSON",
    show_envvar=True,
    help="Of this person, with all accounts, instead of one employee.",
)
@click.option("--since", type=Moment(), default=0, show_envvar=True, help="From this moment on.")
@click.option("--csv", "as_csv", is_flag=True, show_envvar=True, help="As CSV (UTF-8), one line a step.")
@connected
def grant_ledger(connection: Connection, output: Output, holder: str, person_id: str, since: int, as_csv: bool) -> None:
    """Show each step of EMPLOYEE's rights, oldest first: who asked, who decided what and why, what was given and taken.

    Needs the right to read munjigi.audit; --person of others also that to read munjigi.grant. For one grant: `munjigi grant show`.
    """
    from munjigi.cli.output import console, print_machine, styled
    from munjigi.cli.rights_steps import steps_of, steps_of_person, steps_table, write_csv
    from munjigi.cli.session import Session

    if bool(holder) == bool(person_id):
        raise click.UsageError("Name an EMPLOYEE, or a person with --person; one of the two.")
    with Session(connection) as session:
        steps, complete = (steps_of_person if person_id else steps_of)(session, person_id or holder, since)
    if as_csv:
        write_csv(steps)
    elif not print_machine(output, {"steps": steps}, steps):
        console().print(steps_table(steps))
        console().print(styled(f"{len(steps)} steps; times are {zone()}", "dim"))
    if not complete:
        click.echo("The index has not caught up with the trail; ask again for the newest steps.", err=True)
