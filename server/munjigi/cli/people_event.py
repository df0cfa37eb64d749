"""`munjigi people event`: tell what happened to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from munjigi.cli.moments import Moment
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from munjigi_client._proto.munjigi.v1 import people_pb2

_EVENTS = ("joiner", "mover", "leaver", "leave", "return", "fact", "account")


@click.command("event")
@click.argument("kind", type=click.Choice(_EVENTS))
@click.argument("person_id")
@click.option("--department", metavar="NAME", show_envvar=True, help="Department, as roles.toml names it.")
@click.option("--manager", metavar="PERSON", show_envvar=True, help="Manager; empty for none.")
@click.option(
    "--principal-type",
    type=click.Choice(["employee", "contractor", "partner", "seller", "service"]),
    show_envvar=True,
    help="What the person is to the company.",
)
@click.option(
    "--account", "accounts", multiple=True, metavar="SUBJECT", show_envvar=True, help="An account that is added; repeat."
)
@click.option(
    "--issuer", default="", metavar="URL", show_envvar=True, help="Issuer of the accounts, where it is not the sign-in's."
)
@click.option(
    "--fact", "fact", type=click.Choice(["pledge", "training", "device", "screening"]), show_envvar=True, help="What is on file."
)
@click.option("--since", type=Moment(), default=0, show_envvar=True, help="From when on it is so; now without it.")
@click.option("--until", type=Moment(end=True), default=0, show_envvar=True, help="Until when it is so; a day counts to its end.")
@click.option("--source", default="", metavar="NAME", show_envvar=True, help="Who says so, for the records; the tool without it.")
@click.option(
    "--effective-at", type=Moment(), default=0, show_envvar=True, help="When it took effect at its source; now without it."
)
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="The event's id: repeated, it changes nothing.")
@connected
def people_event(
    connection: Connection,
    output: Output,
    kind: str,
    person_id: str,
    department: str | None,
    manager: str | None,
    principal_type: str | None,
    accounts: tuple[str, ...],
    issuer: str,
    fact: str | None,
    since: int,
    until: int,
    source: str,
    effective_at: int,
    request_id: str,
) -> None:
    """Tell what happened to PERSON_ID.

    Grants, requests, sessions and delegations follow at once. Needs the right to operate on munjigi.grant. An event that is older than
    the person's last one is refused.
    """
    from munjigi.cli.output import print_machine
    from munjigi.cli.people_file import TYPES
    from munjigi.cli.people_table import KINDS
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

    if (kind == "fact") != (fact is not None and until > 0):
        raise click.UsageError("The event `fact`, and no other, takes --fact and --until.")
    if (kind == "account") > bool(accounts):
        raise click.UsageError("The event `account` takes --account.")
    request = pb.ApplyPersonnelEventRequest(
        request_id=request_id,
        kind=KINDS[kind],
        person_id=person_id,
        source=source,
        effective_at=effective_at,
        principal_type=TYPES[principal_type] if principal_type else pb.PRINCIPAL_TYPE_UNSPECIFIED,
        department=department,
        manager=manager,
        accounts=[pb.Account(issuer=issuer, subject=subject) for subject in accounts],
        facts=[pb.Fact(kind=fact, starts_at=since, ends_at=until)] if fact else [],
    )
    with Session(connection) as session:
        done = session.ask(request, pb.ApplyPersonnelEventResponse)
    if not print_machine(output, done, [done]):
        click.echo(_said(kind, done))


def _said(kind: str, done: people_pb2.ApplyPersonnelEventResponse) -> str:
    from munjigi.cli.output import safe
    from munjigi.cli.people_table import status_of

    parts = (
        (done.ended_grants, "ended"),
        (done.suspended_grants, "wait for an owner's `munjigi grant resume`" if kind == "return" else "suspended"),
        (done.withdrawn_requests, "withdrawn"),
    )
    what = "".join(f"; {verb}: {', '.join(safe(each) for each in ids)}" for ids, verb in parts if ids)
    return f"{safe(done.person.person_id)}: {kind}, now {status_of(done.person)}{what}." if done.changed else "It is so already."
