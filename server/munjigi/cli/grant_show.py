"""`munjigi grant show`: one grant on one page, for its holder, for who decided, and for whoever has to prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from munjigi.cli.failure import DENIED, Failure
from munjigi.cli.moments import show_moment, zone
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from rich.table import Table

    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import access_request_pb2, grant_pb2


@click.command("show")
@click.argument("grant_id", metavar="GRANT")
@click.option("--csv", "as_csv", is_flag=True, show_envvar=True, help="Its steps as CSV (UTF-8), one line each.")
@connected
def grant_show(connection: Connection, output: Output, grant_id: str, as_csv: bool) -> None:
    """Show one grant on one page: who holds what, since when, by whose word, and each change.

    Yours, one that you approved, or one of a role that you own; others take the right to read munjigi.grant. Its steps take the right to
    read munjigi.audit; without it, the page says so.
    """
    from munjigi.cli.output import as_dict, console, print_machine, styled
    from munjigi.cli.rights_steps import steps_table, write_csv
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb
    from munjigi_client._proto.munjigi.v1 import grant_pb2

    with Session(connection) as session:
        (grant,) = session.ask(grant_pb2.ListGrantsRequest(grant_id=grant_id), grant_pb2.ListGrantsResponse).grants
        asked: pb.AccessRequest | None = None
        if grant.access_request_id:
            wanted = pb.ListRequestsRequest(access_request_id=grant.access_request_id)
            (asked,) = session.ask(wanted, pb.ListRequestsResponse).access_requests
        try:
            steps, complete = _steps(session, grant)
        except Failure as failure:
            if failure.code != DENIED or as_csv:
                raise
            steps, complete = None, True
    if as_csv:
        write_csv(steps or ())
    page = {"grant": as_dict(grant), "access_request": as_dict(asked) if asked is not None else None, "steps": steps}
    if not as_csv and not print_machine(output, page, [page]):
        screen = console()
        screen.print(_facts(grant, asked))
        if steps is None:
            screen.print(styled("Each change takes the right to read munjigi.audit.", "dim"))
        else:
            screen.print(steps_table(steps))
            screen.print(styled(f"{len(steps)} steps; times are {zone()}", "dim"))
    if not complete:
        click.echo("The index has not caught up with the trail; ask again for the newest steps.", err=True)


def _steps(session: Session, grant: grant_pb2.Grant) -> tuple[list[dict[str, str]], bool]:
    """Return the steps of a grant and of the requests that made or changed it."""
    from munjigi.cli.rights_steps import steps_of

    steps, complete = steps_of(session, grant.employee)
    requests = {step["request"] for step in steps if step["grant"] == grant.grant_id} - {""}
    return [step for step in steps if step["grant"] == grant.grant_id or step["request"] in requests], complete


def _facts(grant: grant_pb2.Grant, asked: access_request_pb2.AccessRequest | None) -> Table:
    from munjigi.cli.output import facts, lines, safe, styled
    from munjigi.cli.requests_table import votes_of

    why = grant.suspended or grant.ended.replace(grant.state, "")
    state = f"{grant.state}{f', {why}' if why else ''}{', taken in an emergency' if grant.break_glass else ''}"
    pairs: list[tuple[str, str | object]] = [
        ("grant", styled(grant.grant_id, "bold")),
        ("state", styled(state, "green" if grant.active else "yellow")),
        ("holder", f"{grant.employee} of {grant.issuer}{f' ({asked.person_id})' if asked is not None else ''}"),
        ("role", grant.role),
        ("purpose", f"{grant.purpose}{f', {asked.impact_assessment}' if asked is not None and asked.impact_assessment else ''}"),
        ("case", asked.case_id if asked is not None else ""),
        ("only", ", ".join([*grant.scope_actions, *grant.scope_objects])),
        ("from", show_moment(grant.starts_at)),
        ("until", show_moment(grant.ends_at)),
    ]
    if asked is None:
        pairs.append(("approved by", ", ".join(grant.approved_by)))
    else:
        pairs += [
            ("asked by", f"{asked.applicant} on {show_moment(asked.made_at)}, as {asked.access_request_id}"),
            ("why", asked.reason),
            ("decided", lines(votes_of(asked))),
        ]
    return facts([(name, safe(value) if isinstance(value, str) else value) for name, value in pairs])  # type: ignore[misc]
