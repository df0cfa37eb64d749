"""`munjigi whoami`: the account, the person behind it, and the grants in force."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("whoami")
@connected
def whoami(connection: Connection, output: Output) -> None:
    """Show who you are to Munjigi and what you hold."""
    from munjigi.adapters.identity.login_file import said_by
    from munjigi.cli.grants_table import grants_table
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import as_dict, console, facts, print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import grant_pb2, reach_pb2

    with Session(connection) as session:
        who = session.ask(reach_pb2.WhatCanRequest(page_size=1), reach_pb2.WhatCanResponse)
        until = said_by(session.employee_token)[2]
        held = session.whole(grant_pb2.ListGrantsRequest(page_size=1000), grant_pb2.ListGrantsResponse, "grants")
    shape = as_dict(who)
    names = ("employee", "issuer", "tool", "principal_type", "department")
    whole = {
        **{name: shape[name] for name in names},
        "token_expires_at": str(until),
        "grants": as_dict(held)["grants"],
        "policy_revision": shape["policy_revision"],
        "grant_revision": shape["grant_revision"],
    }
    if print_machine(output, whole, [whole]):
        return
    screen = console()
    screen.print(
        facts(
            [
                ("employee", who.employee),
                ("issuer", who.issuer),
                ("until", show_moment(until)),
                ("tool", who.tool),
                (
                    "person",
                    f"{who.principal_type}, {who.department or 'no department'}" if who.principal_type else "not registered",
                ),
            ]
        )
    )
    if held.grants:
        screen.print(grants_table(held.grants, employees=False))
    else:
        screen.print("\nNo grant in force: every access to member data is denied. Ask the owner of a role for one.")
