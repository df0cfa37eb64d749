"""`munjigi people show`: one person, with accounts, facts and grants."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("show")
@click.argument("person_id", required=False, default="")
@click.option(
    "--employee",
    "whose",
    envvar="MUNJIGI_PEOPLE_SHOW_EMPLOYEE",
    default="",
    metavar="EMPLOYEE",
    show_envvar=True,
    help="Whose account this is.",
)
@connected
def people_show(connection: Connection, output: Output, person_id: str, whose: str) -> None:
    """Show the person PERSON_ID, or you: accounts, facts, grants.

    Others than yourself need the right to read munjigi.grant.
    """
    from munjigi.cli.grants_table import grants_table
    from munjigi.cli.output import console, print_machine
    from munjigi.cli.people_table import person_lines
    from munjigi.cli.session import Session
    from munjigi.kernel.clock import SystemClock
    from munjigi_client._proto.munjigi.v1 import grant_pb2
    from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

    if whose and person_id:
        raise click.UsageError("PERSON_ID and --employee exclude each other.")
    with Session(connection) as session:
        found = session.ask(pb.GetPersonRequest(person_id=person_id, employee=whose), pb.GetPersonResponse)
        if print_machine(output, found, [found.person]):
            return
        held = grant_pb2.ListGrantsRequest(person_id=found.person.person_id, include_inactive=True, page_size=1000)
        grants = session.whole(held, grant_pb2.ListGrantsResponse, "grants").grants
    for line in person_lines(found.person, SystemClock().now()):
        click.echo(line)
    if grants:
        console().print(grants_table(grants, employees=True))
    else:
        click.echo("holds       nothing")
