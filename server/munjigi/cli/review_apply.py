"""`munjigi review apply`: what was decided is done, a share first."""

from __future__ import annotations

import dataclasses

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("apply")
@click.argument("review_id", metavar="REVIEW")
@click.option(
    "--over-caps",
    default="",
    metavar="TEXT",
    show_envvar=True,
    help="Say that it may go beyond the caps of reviews.toml, and why; it takes two people.",
)
@click.option("--digest", default="", metavar="HEX", show_envvar=True, help="Digest of the plan that you have read.")
@click.option("--yes", is_flag=True, help="Apply without a question.")
@connected
def review_apply(connection: Connection, output: Output, review_id: str, over_caps: str, digest: str, yes: bool) -> None:
    """Apply what was decided: a share first, and after the wait of reviews.toml the rest, when this is run again.

    What was used after the plan is spared, what changed is left; a policy that has moved stops it. When this returns, no worker of any host
    answers by what was taken away. Broken off, it goes on where it was. Needs `operate` on `munjigi.review`.
    """
    from munjigi.cli.failure import FAILED, Failure
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import console, print_machine
    from munjigi.cli.review_table import review_facts, state_of
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

    screen = console()
    applied = left = 0
    with Session(dataclasses.replace(connection, timeout=max(connection.timeout, 60.0))) as session:
        if not digest:
            read = session.ask(calls.GetReviewRequest(review_id=review_id), calls.GetReviewResponse).review
            if output == "table":
                screen.print(review_facts(read))
            if not yes and not click.confirm("Apply this?", err=True):
                raise Failure("Nothing was applied.", "To end the review, `munjigi review stop` with a reason.", FAILED)
            digest = read.plan_digest
        while True:
            wanted = calls.ApplyReviewRequest(
                review_id=review_id, plan_digest=digest, over_caps=bool(over_caps), reason=over_caps
            )
            done = session.ask(wanted, calls.ApplyReviewResponse)
            over_caps = ""
            applied, left = applied + done.applied, left + done.left
            if not done.more:
                break
    done.applied, done.left = applied, left
    if print_machine(output, done, [done]):
        return
    took = f", everywhere after {done.acknowledgement.waited / 1e6:.0f} ms" if done.acknowledgement.grant_revision else ""
    click.echo(f"{state_of(done.review)}: {applied} applied, {left} left as they are{took}")
    if len(done.review.over_caps_by) == 1:
        click.echo(f"it takes a second person: munjigi review apply {review_id} --over-caps WHY")
    if done.review.continue_from:
        click.echo(f"the rest from {show_moment(done.review.continue_from)} on: munjigi review apply {review_id}")
