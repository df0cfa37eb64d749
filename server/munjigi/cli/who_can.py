"""`munjigi who-can`: everyone who may do something, now or at a past time."""

from __future__ import annotations

import click

from munjigi.cli.moments import Moment, show_moment
from munjigi.cli.options import Connection, Output, connected


@click.command("who-can")
@click.argument("resource")
@click.option("--fields", default="", metavar="A,B", show_envvar=True, help="Columns, with commas between. Default: all.")
@click.option("--action", default="read", show_default=True, show_envvar=True, help="read, export, reveal, update or delete.")
@click.option("--purpose", required=True, show_envvar=True, help="Registered purpose, for example inquiry.")
@click.option("--allow-partial", is_flag=True, show_envvar=True, help="Who may see at least one of the columns.")
@click.option("--through", default="", metavar="TOOL", show_envvar=True, help="Through this tool. Default: the calling one.")
@click.option("--at", type=Moment(), default=0, show_envvar=True, help="At this moment: RFC 3339, a day, or 15m, 8h, 7d ago.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, show_envvar=True, help="People at most."
)
@connected
def who_can(
    connection: Connection,
    output: Output,
    resource: str,
    fields: str,
    action: str,
    purpose: str,
    allow_partial: bool,
    through: str,
    at: int,
    limit: int,
) -> None:
    """List the employees who may do this to RESOURCE, and by which path.

    RESOURCE is database.table of the catalog, or class:NAME. A case and members are taken as given.
    """
    from munjigi.cli.output import console, print_machine, safe, short_name, styled, table, verdict
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
    from munjigi_client._proto.munjigi.v1 import reach_pb2

    request = reach_pb2.WhoCanRequest(
        resource=resource,
        fields=[name.strip() for name in fields.split(",") if name.strip()],
        action=action,
        purpose=purpose,
        allow_partial=allow_partial,
        tool=through,
        at=at,
        page_size=min(limit, 1000),
    )
    with Session(connection) as session:
        found = session.whole(request, reach_pb2.WhoCanResponse, "holders", limit)
    if print_machine(output, found, found.holders):
        return
    screen = console()
    when = f"at {show_moment(at)}" if at else "now"
    if not found.holders:
        screen.print(f"Nobody may do this {when}{f' ({safe(found.reason)})' if found.reason else ''}.")
        screen.print(styled(found.help, "dim"))
        return
    listing = table("employee", "department", "sees", "by", "rules", fold=("sees", "by"))
    for each in found.holders:
        seen = []
        for field in each.fields:
            effect = short_name(pb.FieldEffect.Name(field.effect), "FIELD_EFFECT_")
            seen.append(f"{field.name} {field.mask or effect}")
        sees = verdict(safe(", ".join(seen)))
        sees.append(" if" if each.conditional else "", style="dim")
        rules = ", ".join(dict.fromkeys(field.rule for field in each.fields if field.rule))
        listing.add_row(safe(each.employee), safe(each.department), sees, safe(" > ".join(each.role_path)), safe(rules))
    screen.print(listing)
    more = ", more with --limit" if found.next_page_token else ""
    notes = f"{len(found.holders)} shown{more}, {when}; policy {found.policy_revision[:12]}, grants {found.grant_revision}"
    if any(each.conditional for each in found.holders):
        notes = f"if: the address or the number of members may still change the answer · {notes}"
    screen.print(styled(notes, "dim"))
