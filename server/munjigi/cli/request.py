"""`munjigi request`: ask for access."""

from __future__ import annotations

import click

from munjigi.cli.failure import USAGE, Failure
from munjigi.cli.moments import Moment
from munjigi.cli.options import Connection, Output, connected


@click.command("request")
@click.argument("role", default="")
@click.option("--purpose", default="", show_envvar=True, help="Registered purpose; needed with ROLE.")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why: the work, and nobody's data.")
@click.option("--days", type=click.IntRange(1, 36500), default=None, show_envvar=True, help="For how many days.")
@click.option(
    "--until",
    type=Moment(end=True),
    default=0,
    show_envvar=True,
    help="Until this moment, instead of --days; a day counts to its end.",
)
@click.option("--from", "since", type=Moment(), default=0, envvar="MUNJIGI_REQUEST_FROM", show_envvar=True, help="From then on.")
@click.option("--case", "case_id", default="", metavar="ID", envvar="MUNJIGI_REQUEST_CASE", show_envvar=True, help="Case.")
@click.option("--only", multiple=True, metavar="OBJECT", help="Only this column, table.* or class:NAME; may be repeated.")
@click.option("--action", multiple=True, metavar="ACTION", help="Only this action; may be repeated.")
@click.option("--renew", default="", metavar="GRANT", show_envvar=True, help="Renew this grant, or change its scope with --only.")
@click.option("--supersede", default="", metavar="REQUEST", show_envvar=True, help="Replace this open request of yours.")
@click.option("--for", "whose", default="", metavar="EMPLOYEE", help="Ask for somebody whose manager you are.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Repeated with the same id, it is one request.")
@connected
def request(
    connection: Connection,
    output: Output,
    role: str,
    purpose: str,
    reason: str,
    days: int | None,
    until: int,
    since: int,
    case_id: str,
    only: tuple[str, ...],
    action: tuple[str, ...],
    renew: str,
    supersede: str,
    whose: str,
    request_id: str,
) -> None:
    """Ask for ROLE, for a purpose and a period; its owners decide.

    A grant is in force from the last approval on, or from --from, and until --until, or for --days.
    """
    from munjigi.cli.output import console, print_machine, safe, styled
    from munjigi.cli.requests_table import request_facts
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb

    if bool(role) == bool(renew):
        raise Failure("Which access?", "Give ROLE and --purpose, or --renew GRANT.", USAGE)
    if role and not purpose:
        raise Failure("For which purpose?", "Give --purpose; `munjigi explain` names those that fit.", USAGE)
    if (days is None) == (not until):
        raise Failure("For how long?", "Give --days or --until, one of the two.", USAGE)
    wanted = pb.RequestAccessRequest(
        request_id=request_id,
        role=role,
        purpose=purpose,
        reason=reason,
        case_id=case_id,
        scope_objects=only,
        scope_actions=action,
        starts_at=since,
        ends_at=until,
        days=days or 0,
        grant_id=renew,
        supersedes=supersede,
        employee=whose,
    )
    with Session(connection) as session:
        made = session.ask(wanted, pb.RequestAccessResponse)
    if print_machine(output, made, [made.access_request]):
        return
    screen = console()
    screen.print(request_facts(made.access_request))
    if made.missing:
        lacks = ", ".join(map(safe, made.missing))
        screen.print(styled(f"Not on file yet, and needed before the grant is of effect: {lacks}.", "yellow"))
    screen.print(f"recorded as {made.record_id}; whoever may decide: munjigi approve {made.access_request.access_request_id}")
