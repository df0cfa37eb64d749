"""`munjigi review undo`: what a review took away is given back, exactly."""

from __future__ import annotations

import dataclasses

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("undo")
@click.argument("review_id", metavar="REVIEW")
@click.option("--item", "spans", multiple=True, metavar="N", help="Only this item, or a span like 3-17; may be repeated.")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why, without anybody's data.")
@connected
def review_undo(connection: Connection, output: Output, review_id: str, spans: tuple[str, ...], reason: str) -> None:
    """Give back what a review took away, all of it or some items: role, scope and end as they were.

    What changed since is left and shown. Run again, it changes nothing. Needs `operate` on `munjigi.review`.
    """
    from munjigi.cli.output import console, print_machine
    from munjigi.cli.review_decide import numbers_of
    from munjigi.cli.review_table import items_table, state_of
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

    numbers, undone, left = numbers_of(spans), 0, []
    with Session(dataclasses.replace(connection, timeout=max(connection.timeout, 60.0))) as session:
        while True:
            wanted = calls.UndoReviewRequest(review_id=review_id, numbers=numbers, reason=reason)
            done = session.ask(wanted, calls.UndoReviewResponse)
            undone, left = undone + done.undone, list(done.left)
            if not done.more:
                break
    done.undone = undone
    if print_machine(output, done, [done]):
        return
    click.echo(f"{state_of(done.review)}: {undone} given back{f', {len(left)} left as they are' if left else ''}")
    if left:
        console().print(items_table(left))
