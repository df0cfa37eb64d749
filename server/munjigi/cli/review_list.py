"""`munjigi review list`: reviews, newest first."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected

_STATES = ("open", "applying", "applied", "stopped", "undone")


@click.command("list")
@click.option("--kind", default="", show_envvar=True, help="Only this kind, a row of reviews.toml.")
@click.option("--state", type=click.Choice(_STATES), default=None, show_envvar=True, help="Only those in this state.")
@click.option("--everyone", is_flag=True, show_envvar=True, help="All of them; needs `read` on `munjigi.review`.")
@connected
def review_list(connection: Connection, output: Output, kind: str, state: str | None, everyone: bool) -> None:
    """List reviews, newest first: those in which you may decide something now, or everyone's."""
    from munjigi.cli.output import console, print_machine, styled
    from munjigi.cli.review_table import reviews_table
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

    in_state = f"REVIEW_STATE_{state.upper()}" if state else None
    wanted = calls.ListReviewsRequest(kind=kind, state=in_state, everyone=everyone, page_size=1000)
    with Session(connection) as session:
        found = session.whole(wanted, calls.ListReviewsResponse, "reviews")
    if print_machine(output, found, found.reviews):
        return
    screen = console()
    if found.reviews:
        screen.print(reviews_table(found.reviews))
    screen.print(styled(f"{len(found.reviews)} reviews", "dim"))
