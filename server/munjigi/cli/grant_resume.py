"""`munjigi grant resume`: a suspended grant counts again."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("resume")
@click.argument("grant_id", metavar="GRANT")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why, without anybody's data.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def grant_resume(connection: Connection, output: Output, grant_id: str, reason: str, request_id: str) -> None:
    """Let a suspended grant count again, as far as its period goes.

    One of a role that you own, unless it was suspended with the right to operate; for others it takes `operate` on `munjigi.grant`.
    Nobody resumes what they hold or asked for.
    """
    from munjigi.cli.grants_table import grants_table
    from munjigi.cli.output import console, print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import revocation_pb2 as pb

    wanted = pb.ResumeGrantRequest(request_id=request_id, grant_id=grant_id, reason=reason)
    with Session(connection) as session:
        done = session.ask(wanted, pb.ResumeGrantResponse)
    if not print_machine(output, done, [done.grant]):
        console().print(grants_table([done.grant], employees=True))
        click.echo(f"recorded as {done.record_id}")
