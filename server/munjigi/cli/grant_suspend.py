"""`munjigi grant suspend`: a grant does not count for now, anywhere."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("suspend")
@click.argument("grant_id", metavar="GRANT")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why, without anybody's data.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def grant_suspend(connection: Connection, output: Output, grant_id: str, reason: str, request_id: str) -> None:
    """Let a grant not count until it is resumed. When this returns, no worker of any host answers by it any more.

    Yours, or one of a role that you own; for others it takes `operate` on `munjigi.grant`. Its end stays where it is. It works on a full
    disk.
    """
    from munjigi.cli.acknowledged import everywhere
    from munjigi.cli.grants_table import grants_table
    from munjigi.cli.output import console, print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import revocation_pb2 as pb

    wanted = pb.SuspendGrantRequest(request_id=request_id, grant_id=grant_id, reason=reason)
    with Session(connection) as session:
        done = session.ask(wanted, pb.SuspendGrantResponse)
    if not print_machine(output, done, [done.grant]):
        console().print(grants_table([done.grant], employees=True))
        click.echo(f"suspended {everywhere(done.acknowledgement)}, recorded as {done.record_id}")
