"""`munjigi audit hold`: no record of a time is removed until the hold is released."""

from __future__ import annotations

import click

from munjigi.cli.failure import USAGE, Failure
from munjigi.cli.moments import Moment
from munjigi.cli.options import Connection, Output, connected


@click.command("hold")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why: the matter, and nobody's data.")
@click.option("--since", type=Moment(), default=0, show_envvar=True, help="Records from this moment on.")
@click.option(
    "--until", type=Moment(end=True), default=0, show_envvar=True, help="Records before this moment; a day counts to its end."
)
@click.option("--everything", is_flag=True, help="All records, those to come too.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Repeated with the same id, it is one hold.")
@connected
def audit_hold(
    connection: Connection, output: Output, reason: str, since: int, until: int, everything: bool, request_id: str
) -> None:
    """Place a legal hold: no record of its time is removed while it stands.

    Needs the right to operate on munjigi.audit (the privacy officer has it). The hold is in force and recorded when this returns.
    """
    from munjigi.cli.holds_table import period
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

    if everything == bool(since or until):
        raise Failure("Which records?", "Give --since, --until or both, or --everything.", USAGE)
    request = pb.HoldRecordsRequest(request_id=request_id, reason=reason, from_time=since, to_time=until)
    with Session(connection) as session:
        hold = session.ask(request, pb.HoldRecordsResponse).hold
    if not print_machine(output, hold, [hold]):
        click.echo(f"{hold.hold_id} holds {period(hold)}, recorded as {hold.record_id}.")
