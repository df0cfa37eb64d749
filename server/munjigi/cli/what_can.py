"""`munjigi what-can`: everything that one employee may do through one tool, now or at a past time."""

from __future__ import annotations

import click

from munjigi.cli.moments import Moment, show_moment
from munjigi.cli.options import Connection, Output, connected


@click.command("what-can")
@click.option("--purpose", default="", show_envvar=True, help="Only for this purpose.")
@click.option("--employee", "who", default="", envvar="MUNJIGI_WHAT_CAN_EMPLOYEE", show_envvar=True, help="Another employee.")
@click.option("--through", default="", metavar="TOOL", show_envvar=True, help="Through this tool. Default: the calling one.")
@click.option("--at", type=Moment(), default=0, show_envvar=True, help="At this moment: RFC 3339, a day, or 15m, 8h, 7d ago.")
@connected
def what_can(connection: Connection, output: Output, purpose: str, who: str, through: str, at: int) -> None:
    """List what you, or another employee, may do through this tool."""
    from munjigi.cli.output import console, facts, print_machine, safe, short_name, styled, table, verdict
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
    from munjigi_client._proto.munjigi.v1 import reach_pb2

    request = reach_pb2.WhatCanRequest(purpose=purpose, page_size=1000, employee=who, tool=through, at=at)
    when = f"at {show_moment(at)}" if at else "now"
    with Session(connection) as session:
        found = session.whole(request, reach_pb2.WhatCanResponse, "permissions")
    if print_machine(output, found, found.permissions):
        return
    screen = console()
    asker = f"{found.employee} through {found.tool}"
    if not found.permissions:
        screen.print(f"{safe(asker)} may do nothing {when}{f' for {safe(purpose)}' if purpose else ''}.")
        screen.print(styled("`munjigi grant list` shows what you hold; the owner of a role can give you one.", "dim"))
        return
    listing = table("object", "action", "purpose", "sees", "rule", fold=("object",))
    for each in found.permissions:
        sees = verdict(short_name(pb.FieldEffect.Name(each.effect), "FIELD_EFFECT_"))
        sees.append(f" {safe(each.mask)}" if each.mask else "").append(" if" if each.conditional else "", style="dim")
        listing.add_row(safe(each.object), safe(each.action), safe(each.purpose), sees, safe(each.rule))
    screen.print(f"{safe(asker)} may {when}:")
    screen.print(listing)
    grants = sorted({grant_id for each in found.permissions for grant_id in each.grant_ids})
    screen.print(facts([("by grants", ", ".join(grants))]))
    notes = f"policy {found.policy_revision[:12]}, grants {found.grant_revision}"
    if any(each.conditional for each in found.permissions):
        notes = f"if: the rule has a condition (place, device, tool) and may still deny when you ask · {notes}"
    screen.print(styled(notes, "dim"))
