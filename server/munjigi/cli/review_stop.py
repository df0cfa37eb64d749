"""`munjigi review stop`: a review ends as it is."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("stop")
@click.argument("review_id", metavar="REVIEW")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why, without anybody's data.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def review_stop(connection: Connection, output: Output, review_id: str, reason: str, request_id: str) -> None:
    """Stop a review that is open or being applied. What was applied stands; `munjigi review undo` gives it back."""
    from munjigi.cli.output import console, print_machine
    from munjigi.cli.review_table import review_facts
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

    wanted = calls.StopReviewRequest(request_id=request_id, review_id=review_id, reason=reason)
    with Session(connection) as session:
        done = session.ask(wanted, calls.StopReviewResponse)
    if not print_machine(output, done, [done.review]):
        console().print(review_facts(done.review))
        click.echo(f"stopped, recorded as {done.record_id}")
