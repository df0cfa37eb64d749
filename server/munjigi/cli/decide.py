"""`munjigi approve` and `munjigi deny`: decide on a request, after reading it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from munjigi.cli.failure import FAILED, USAGE, Failure
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb


@click.command("approve")
@click.argument("access_request_id", metavar="REQUEST")
@click.option("--reason", default="", metavar="TEXT", show_envvar=True, help="Why, without anybody's data.")
@click.option(
    "--digest", default="", metavar="HEX", show_envvar=True, help="Digest of what you have read; nothing is asked then."
)
@click.option("--yes", is_flag=True, help="Show what is asked for, and approve it without a question.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Repeated with the same id, it is one vote.")
@connected
def approve(
    connection: Connection, output: Output, access_request_id: str, reason: str, digest: str, yes: bool, request_id: str
) -> None:
    """Approve a request, as it was read: one that has changed since is refused.

    The last stage's approval gives the grant. Nobody approves what they asked for or would hold.
    """
    from munjigi.cli.output import console, print_machine
    from munjigi.cli.requests_table import request_facts
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb

    with Session(connection) as session:
        if not digest:
            read = _read(session.ask(pb.ListRequestsRequest(access_request_id=access_request_id), pb.ListRequestsResponse))
            if output == "table":
                console().print(request_facts(read))
            if not yes and not click.confirm("Approve this?", err=True):
                raise Failure("Nothing was decided.", "To refuse it, `munjigi deny` with a reason.", FAILED)
            digest = read.digest
        vote = pb.DecideRequestRequest(
            request_id=request_id, access_request_id=access_request_id, digest=digest, approve=True, reason=reason
        )
        done = session.ask(vote, pb.DecideRequestResponse)
    if not print_machine(output, done, [done.access_request]):
        _tell(done)


@click.command("deny")
@click.argument("access_request_id", metavar="REQUEST")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why: whoever asked is told.")
@click.option("--digest", default="", metavar="HEX", show_envvar=True, help="Digest of what you have read.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Repeated with the same id, it is one vote.")
@connected
def deny(connection: Connection, output: Output, access_request_id: str, reason: str, digest: str, request_id: str) -> None:
    """Deny a request. What was taken in an emergency ends with it."""
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb

    with Session(connection) as session:
        if not digest:
            found = session.ask(pb.ListRequestsRequest(access_request_id=access_request_id), pb.ListRequestsResponse)
            digest = _read(found).digest
        vote = pb.DecideRequestRequest(request_id=request_id, access_request_id=access_request_id, digest=digest, reason=reason)
        done = session.ask(vote, pb.DecideRequestResponse)
    if not print_machine(output, done, [done.access_request]):
        _tell(done)


def _read(found: pb.ListRequestsResponse) -> pb.AccessRequest:
    if not found.access_requests:
        raise Failure("There is no such request.", "`munjigi requests --to-decide` lists yours.", USAGE)
    return found.access_requests[0]


def _tell(done: pb.DecideRequestResponse) -> None:
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import console, safe
    from munjigi.cli.requests_table import state_of

    screen, request = console(), done.access_request
    screen.print(state_of(request), f" {request.access_request_id}, recorded as {done.record_id}", sep="")
    if done.grant.grant_id:
        grant = done.grant
        period = f"from {show_moment(grant.starts_at)} until {show_moment(grant.ends_at)}"
        screen.print(
            f"grant {safe(grant.grant_id)}: {safe(grant.employee)} holds {safe(grant.role)} for {safe(grant.purpose)} {period}"
        )
    elif request.deciders:
        screen.print(f"next to decide: {', '.join(map(safe, request.deciders))}")
