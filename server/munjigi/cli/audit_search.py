"""`munjigi audit search`: the trail, newest first; pages are followed up to `--limit`."""

from __future__ import annotations

from typing import Any

import click

from munjigi.cli.audit_conditions import conditions
from munjigi.cli.moments import Moment, zone
from munjigi.cli.options import Connection, Output, connected


@click.command("search")
@conditions("search")
@click.option("--decision-id", default="", metavar="ID", show_envvar=True, help="One decision and what followed from it.")
@click.option(
    "--since", type=Moment(), default=0, show_envvar=True, help="From this moment on: RFC 3339, a day, or 15m, 8h, 7d ago."
)
@click.option("--until", type=Moment(end=True), default=0, show_envvar=True, help="Before this moment; a day counts to its end.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, show_envvar=True, help="Records at most."
)
@connected
def audit_search(
    connection: Connection, output: Output, asked: dict[str, Any], decision_id: str, since: int, until: int, limit: int
) -> None:
    """Search the audit trail, newest record first."""
    from munjigi.cli.audit_table import records_table
    from munjigi.cli.output import console, print_machine, styled
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

    request = pb.SearchRecordsRequest(
        **asked, decision_id=decision_id, from_time=since, to_time=until, page_size=min(limit, 1000)
    )
    with Session(connection) as session:
        found = session.whole(request, pb.SearchRecordsResponse, "records", limit)
    if print_machine(output, found, found.records):
        return
    screen = console()
    if found.records:
        screen.print(records_table(found.records))
    else:
        screen.print("No record matches.")
    notes = f"{len(found.records)} shown, newest first; times are {zone()}"
    if found.next_page_token:
        notes += "; there are more: raise --limit or narrow the search"
    screen.print(styled(notes, "dim"))
    if not found.complete:
        screen.print(styled("The index has not caught up with the journal; search again for the newest records.", "yellow"))
