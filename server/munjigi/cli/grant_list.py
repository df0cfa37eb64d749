"""`munjigi grant list`: who holds what."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("list")
@click.option(
    "--employee",
    "whose",
    envvar="MUNJIGI_GRANT_LIST_EMPLOYEE",
    default="",
    metavar="EMPLOYEE",
    show_envvar=True,
    help="This employee's instead of your own.",
)
@click.option(
    "--person",
    "person_id",
    envvar="MUNJIGI_GRANT_LIST_PERSON",
    default="",
    metavar="PERSON",
    show_envvar=True,
    help="This person's, with all accounts, instead of your own.",
)
@click.option("--everyone", is_flag=True, show_envvar=True, help="Every employee's.")
@click.option("--role", default="", show_envvar=True, help="Only this role.")
@click.option("--include-inactive", is_flag=True, show_envvar=True, help="Also grants that have ended or have not begun.")
@connected
def grant_list(
    connection: Connection, output: Output, whose: str, person_id: str, everyone: bool, role: str, include_inactive: bool
) -> None:
    """List grants: your own, one employee's, one person's with all accounts, or everyone's."""
    from munjigi.cli.grants_table import grants_table
    from munjigi.cli.output import console, print_machine, styled
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import grant_pb2 as pb

    if bool(whose) + bool(person_id) + everyone > 1:
        raise click.UsageError("--employee, --person and --everyone exclude each other.")
    request = pb.ListGrantsRequest(
        employee=whose, person_id=person_id, everyone=everyone, role=role, include_inactive=include_inactive, page_size=1000
    )
    with Session(connection) as session:
        found = session.whole(request, pb.ListGrantsResponse, "grants")
    if print_machine(output, found, found.grants):
        return
    screen = console()
    if found.grants:
        screen.print(grants_table(found.grants, employees=everyone or bool(whose or person_id)))
    else:
        screen.print("No grant in force." if not include_inactive else "No grant.")
    screen.print(styled(f"{len(found.grants)} shown, grants revision {found.grant_revision}", "dim"))
