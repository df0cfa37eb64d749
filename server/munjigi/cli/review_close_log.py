"""`munjigi review close-log`: reviews wait no longer for a log that is lost, if two people say so."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("close-log")
@click.argument("log_id", metavar="LOG")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why it is lost, without anybody's data.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def review_close_log(connection: Connection, output: Output, log_id: str, reason: str, request_id: str) -> None:
    """Say that a log is lost for good, so that reviews wait for it no longer.

    Two people have to. What was used by it since it was last counted is unknown then, and a grant whose threshold reaches into that time
    is kept (NOT_COVERED).
    """
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

    wanted = calls.CloseLogRequest(request_id=request_id, log_id=log_id, reason=reason)
    with Session(connection) as session:
        done = session.ask(wanted, calls.CloseLogResponse)
    if print_machine(output, done, [done]):
        return
    if not done.closed:
        click.echo(f"asked, recorded as {done.record_id}; a second person has to say the same")
        return
    since = f"from {show_moment(done.unknown_from)}" if done.unknown_from else "from its beginning"
    click.echo(f"closed, recorded as {done.record_id}: its use is unknown {since} until {show_moment(done.closed_at)}")
