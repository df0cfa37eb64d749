"""`munjigi audit release`: a legal hold ends."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("release")
@click.argument("hold_id", metavar="HOLD")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why: the matter, and nobody's data.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Correlation id.")
@connected
def audit_release(connection: Connection, output: Output, hold_id: str, reason: str, request_id: str) -> None:
    """Release a legal hold; what is past its retention goes with the next look.

    Needs the right to operate on munjigi.audit. A hold whose file is gone is released in the same way.
    """
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

    with Session(connection) as session:
        answer = session.ask(pb.ReleaseHoldRequest(request_id=request_id, hold_id=hold_id, reason=reason), pb.ReleaseHoldResponse)
    if not print_machine(output, answer, [answer]):
        click.echo(f"{hold_id} is released, recorded as {answer.record_id}.")
