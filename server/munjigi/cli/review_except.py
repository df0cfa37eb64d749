"""`munjigi review except`: a grant stays for a while although the review would take it, if two people say so."""

from __future__ import annotations

import click

from munjigi.cli.moments import Moment
from munjigi.cli.options import Connection, Output, connected


@click.command("except")
@click.argument("review_id", metavar="REVIEW")
@click.option("--item", "number", type=click.IntRange(0), default=None, metavar="N", help="The item.")
@click.option("--until", type=Moment(end=True), default=None, show_envvar=True, help="Until then, at most 90 days from now.")
@click.option("--reason", default="", metavar="TEXT", show_envvar=True, help="Why, without anybody's data.")
@click.option(
    "--approve", "exception_id", default="", metavar="ID", show_envvar=True, help="Approve one that somebody else asked for."
)
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def review_except(
    connection: Connection,
    output: Output,
    review_id: str,
    number: int | None,
    until: int | None,
    reason: str,
    exception_id: str,
    request_id: str,
) -> None:
    """Ask for an exception from a review, or approve one.

    Whoever asks doesn't approve, and the holder neither. One doesn't follow another for the same grant.
    """
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

    asking = number is not None and until is not None and bool(reason)
    if asking == bool(exception_id):
        raise click.UsageError("Give --item, --until and --reason to ask for an exception, or --approve ID.")
    with Session(connection) as session:
        if exception_id:
            approving = calls.ApproveExceptionRequest(request_id=request_id, exception_id=exception_id)
            approved = session.ask(approving, calls.ApproveExceptionResponse)
            found, record_id = approved.exception, approved.record_id
        else:
            wanted = calls.RequestExceptionRequest(
                request_id=request_id, review_id=review_id, number=number, reason=reason, expires_at=until
            )
            asked = session.ask(wanted, calls.RequestExceptionResponse)
            found, record_id = asked.exception, asked.record_id
    if print_machine(output, found, [found]):
        return
    stands = f"holds until {show_moment(found.expires_at)}" if found.approved_by else "waits for a second person"
    click.echo(f"exception {found.exception_id} {stands}, recorded as {record_id}")
    if not found.approved_by:
        click.echo(f"to approve it: munjigi review except {review_id} --approve {found.exception_id}")
