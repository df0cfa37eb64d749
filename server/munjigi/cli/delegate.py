"""`munjigi delegate`: who decides in your stead."""

from __future__ import annotations

import click

from munjigi.cli.moments import Moment
from munjigi.cli.options import Connection, Output, connected


@click.command("delegate")
@click.argument("deputy", metavar="EMPLOYEE")
@click.option(
    "--until",
    type=Moment(end=True),
    default=0,
    show_envvar=True,
    help="Until this moment, a day to its end; without it, the delegation ends.",
)
@click.option("--from", "since", type=Moment(), default=0, envvar="MUNJIGI_DELEGATE_FROM", show_envvar=True, help="From then on.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def delegate(connection: Connection, output: Output, deputy: str, until: int, since: int, request_id: str) -> None:
    """Let EMPLOYEE decide on requests in your stead for a time; each such decision says so."""
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb

    wanted = pb.DelegateRequest(request_id=request_id, employee=deputy, starts_at=since, ends_at=until)
    with Session(connection) as session:
        done = session.ask(wanted, pb.DelegateResponse)
    if not print_machine(output, done, [done]):
        click.echo(f"{'Delegated' if until else 'Ended'}, recorded as {done.record_id}.")
