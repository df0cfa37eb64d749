"""`munjigi grant change`: less of a grant."""

from __future__ import annotations

import click

from munjigi.cli.moments import Moment
from munjigi.cli.options import Connection, Output, connected


@click.command("change")
@click.argument("grant_id", metavar="GRANT")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why, without anybody's data.")
@click.option("--until", type=Moment(end=True), default=0, show_envvar=True, help="An earlier end; a day counts to its end.")
@click.option("--only", multiple=True, metavar="OBJECT", help="Only this column, table.* or class:NAME; may be repeated.")
@click.option("--action", multiple=True, metavar="ACTION", help="Only this action; may be repeated.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def grant_change(
    connection: Connection,
    output: Output,
    grant_id: str,
    reason: str,
    until: int,
    only: tuple[str, ...],
    action: tuple[str, ...],
    request_id: str,
) -> None:
    """Narrow a grant: yours, or one of a role that you own. For more, `munjigi request --renew`."""
    from munjigi.cli.grants_table import grants_table
    from munjigi.cli.output import console, print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb

    wanted = pb.ChangeGrantRequest(
        request_id=request_id, grant_id=grant_id, reason=reason, ends_at=until, scope_objects=only, scope_actions=action
    )
    with Session(connection) as session:
        done = session.ask(wanted, pb.ChangeGrantResponse)
    if not print_machine(output, done, [done.grant]):
        console().print(grants_table([done.grant], employees=True))
        click.echo(f"recorded as {done.record_id}")
