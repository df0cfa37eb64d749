"""`munjigi break-glass`: access in an emergency, at once."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("break-glass")
@click.argument("role")
@click.option("--purpose", required=True, show_envvar=True, help="Registered purpose.")
@click.option("--hours", type=click.IntRange(1, 72), default=1, show_default=True, show_envvar=True, help="For how many hours.")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="What has happened, without anybody's data.")
@click.option("--case", "case_id", default="", metavar="ID", envvar="MUNJIGI_BREAK_GLASS_CASE", show_envvar=True, help="Case.")
@click.option("--only", multiple=True, metavar="OBJECT", help="Only this column, table.* or class:NAME; may be repeated.")
@click.option("--action", multiple=True, metavar="ACTION", help="Only this action; may be repeated.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def break_glass(
    connection: Connection,
    output: Output,
    role: str,
    purpose: str,
    hours: int,
    reason: str,
    case_id: str,
    only: tuple[str, ...],
    action: tuple[str, ...],
    request_id: str,
) -> None:
    """Take ROLE at once, for some hours.

    Its owners and the control center see it, and review it afterwards. roles.toml says which roles can be taken. Whoever has a
    review that is overdue can't.
    """
    from munjigi.cli.grants_table import grants_table
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import console, print_machine, safe
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb

    wanted = pb.BreakGlassRequest(
        request_id=request_id,
        role=role,
        purpose=purpose,
        hours=hours,
        reason=reason,
        case_id=case_id,
        scope_objects=only,
        scope_actions=action,
    )
    with Session(connection) as session:
        taken = session.ask(wanted, pb.BreakGlassResponse)
    if print_machine(output, taken, [taken.grant]):
        return
    screen, review = console(), taken.review
    screen.print(grants_table([taken.grant], employees=True))
    who = ", ".join(map(safe, review.deciders)) or "nobody yet"
    screen.print(
        f"recorded as {taken.record_id}; reviewed as {review.access_request_id} by {who}, until {show_moment(review.lapses_at)}"
    )
