"""`munjigi audit holds`: the legal holds that stand."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("holds")
@connected
def audit_holds(connection: Connection, output: Output) -> None:
    """List the legal holds that stand, oldest first."""
    from munjigi.cli.holds_table import holds_table
    from munjigi.cli.output import console, print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

    with Session(connection) as session:
        found = session.whole(pb.ListHoldsRequest(), pb.ListHoldsResponse, "holds")
    if print_machine(output, found, found.holds):
        return
    if found.holds:
        console().print(holds_table(found.holds))
    else:
        click.echo("No legal hold stands.")
