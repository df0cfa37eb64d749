"""`munjigi people list`: who there is."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("list")
@click.option("--department", default="", metavar="NAME", show_envvar=True, help="Only this department.")
@click.option(
    "--status", type=click.Choice(["active", "leave", "left"]), show_envvar=True, help="Only people of whom this is so."
)
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, show_envvar=True, help="Most people shown.")
@connected
def people_list(connection: Connection, output: Output, department: str, status: str | None, limit: int) -> None:
    """List people by id.

    Needs the right to read munjigi.grant.
    """
    from munjigi.cli.output import console, print_machine, styled
    from munjigi.cli.people_file import STATUSES
    from munjigi.cli.people_table import people_table
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

    wanted = STATUSES[status] if status else pb.PERSON_STATUS_UNSPECIFIED
    request = pb.ListPeopleRequest(department=department, status=wanted, page_size=min(limit, 1000))
    with Session(connection) as session:
        found = session.whole(request, pb.ListPeopleResponse, "people", limit)
    if print_machine(output, found, found.people):
        return
    screen = console()
    screen.print(people_table(found.people))
    more = ", there are more" if found.next_page_token else ""
    screen.print(styled(f"{len(found.people)} shown{more}, grants revision {found.grant_revision}", "dim"))
