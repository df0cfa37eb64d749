"""`munjigi review show`: a review with its items, or one item with all its evidence."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected

_VERDICTS = ("keep", "reduce", "revoke", "ask")
_STATES = ("open", "kept", "decided", "applied", "spared", "skipped", "undone")


@click.command("show")
@click.argument("review_id", metavar="REVIEW")
@click.option("--item", "number", type=click.IntRange(0), default=None, metavar="N", help="Only this item, with its evidence.")
@click.option("--to-decide", is_flag=True, show_envvar=True, help="Only the items that wait for your word.")
@click.option("--verdict", type=click.Choice(_VERDICTS), default=None, show_envvar=True, help="Only those with this proposal.")
@click.option("--state", type=click.Choice(_STATES), default=None, show_envvar=True, help="Only those in this state.")
@click.option("--employee", "holder", default="", metavar="HOLDER", show_envvar=True, help="Only this holder's.")
@connected
def review_show(
    connection: Connection,
    output: Output,
    review_id: str,
    number: int | None,
    to_decide: bool,
    verdict: str | None,
    state: str | None,
    holder: str,
) -> None:
    """Show a review and its items. Its reviewers see what they may decide, others all with `read` on `munjigi.review`."""
    from munjigi.cli.failure import FAILED, Failure
    from munjigi.cli.output import as_dict, console, print_machine
    from munjigi.cli.review_table import evidence_table, item_facts, items_table, review_facts
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

    wanted = calls.ListReviewItemsRequest(
        review_id=review_id,
        to_decide=to_decide,
        verdict=f"REVIEW_VERDICT_{verdict.upper()}" if verdict else None,
        state=f"REVIEW_ITEM_STATE_{state.upper()}" if state else None,
        employee=holder,
        page_size=1000,
    )
    if number is not None:
        wanted.numbers.append(number)
    with Session(connection) as session:
        review = session.ask(calls.GetReviewRequest(review_id=review_id), calls.GetReviewResponse).review
        found = session.whole(wanted, calls.ListReviewItemsResponse, "items")
    if number is not None and not found.items:
        raise Failure("The review has no such item that you may see.", f"`munjigi review show {review_id}` lists them.", FAILED)
    if print_machine(
        output, {"review": as_dict(review), "items": [as_dict(each) for each in found.items]}, [review, *found.items]
    ):
        return
    screen = console()
    if number is not None:
        for each in found.items:
            screen.print(item_facts(each))
            if not each.HasField("access"):
                screen.print(evidence_table(each))
        return
    screen.print(review_facts(review))
    if found.items:
        screen.print(items_table(found.items))
