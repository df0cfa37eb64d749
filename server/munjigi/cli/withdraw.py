"""`munjigi withdraw`: take a request back."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("withdraw")
@click.argument("access_request_id", metavar="REQUEST")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def withdraw(connection: Connection, output: Output, access_request_id: str, request_id: str) -> None:
    """Withdraw an open request of yours."""
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb

    wanted = pb.WithdrawRequestRequest(request_id=request_id, access_request_id=access_request_id)
    with Session(connection) as session:
        done = session.ask(wanted, pb.WithdrawRequestResponse)
    if not print_machine(output, done, [done.access_request]):
        click.echo(f"{access_request_id} is withdrawn, recorded as {done.record_id}.")
