"""`munjigi requests`: requests for access, and those that wait for you."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected

_STATES = ("requested", "approved", "denied", "withdrawn", "superseded", "lapsed")


@click.command("requests")
@click.argument("access_request_id", metavar="[REQUEST]", default="")
@click.option("--to-decide", is_flag=True, show_envvar=True, help="Only those that wait for your decision.")
@click.option("--everyone", is_flag=True, show_envvar=True, help="Everyone's.")
@click.option("--state", type=click.Choice(_STATES), default=None, show_envvar=True, help="Only those in this state.")
@connected
def requests(
    connection: Connection, output: Output, access_request_id: str, to_decide: bool, everyone: bool, state: str | None
) -> None:
    """List requests, newest first, or show one as whoever decides reads it.

    Yours, for whichever of your accounts, and those that wait for your decision: as an owner, a manager, in an office, as a deputy.
    """
    from munjigi.cli.output import console, print_machine, styled
    from munjigi.cli.requests_table import request_facts, requests_table
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb

    if to_decide and everyone:
        raise click.UsageError("--to-decide and --everyone exclude each other.")
    size = 0 if access_request_id else 1000
    in_state = f"REQUEST_STATE_{state.upper()}" if state else None
    wanted = pb.ListRequestsRequest(access_request_id=access_request_id, everyone=everyone, state=in_state, page_size=size)
    found, waiting = pb.ListRequestsResponse(), pb.ListRequestsResponse()
    with Session(connection) as session:
        if not to_decide:
            found = session.whole(wanted, pb.ListRequestsResponse, "access_requests")
        if not (access_request_id or everyone) and state in (None, "requested"):
            asked = pb.ListRequestsRequest(to_decide=True, page_size=size)
            waiting = session.whole(asked, pb.ListRequestsResponse, "access_requests")
    shown = pb.ListRequestsResponse(access_requests=[*found.access_requests, *waiting.access_requests])
    if print_machine(output, shown, shown.access_requests):
        return
    screen = console()
    if access_request_id:
        for each in found.access_requests:
            screen.print(request_facts(each))
        return
    if found.access_requests:
        screen.print(requests_table(found.access_requests))
    if waiting.access_requests:
        screen.print(requests_table(waiting.access_requests, title="" if to_decide else "Waiting for your decision"))
    screen.print(styled(f"{len(shown.access_requests)} requests", "dim"))
