"""`munjigi review decide`: one's word on items, one after the other with their evidence, or by number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from munjigi.cli.failure import FAILED, Failure
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls
    from munjigi_client._proto.munjigi.v1 import review_pb2 as pb

_PIECE = 1000


@click.command("decide")
@click.argument("review_id", metavar="REVIEW")
@click.option(
    "--item",
    "spans",
    multiple=True,
    metavar="N",
    help="This item, or those of a span like 3-17 that wait for your word. Without, you are asked.",
)
@click.option("--as-planned", "word", flag_value="planned", help="Decide what the plan proposes.")
@click.option("--keep", "word", flag_value="keep", help="It stays as it is.")
@click.option("--reduce", "word", flag_value="reduce", help="It is narrowed to what was used.")
@click.option("--revoke", "word", flag_value="revoke", help="It goes.")
@click.option("--suspend", "word", flag_value="suspend", help="It does not count until an owner resumes it.")
@click.option("--ok", "word", flag_value="ok", help="Of an access: it was right.")
@click.option("--suspicious", "word", flag_value="suspicious", help="Of an access: somebody has to look into it.")
@click.option("--reason", default="", metavar="TEXT", show_envvar=True, help="Why; needed where the word is not the plan's.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Repeated with the same id, it is one word.")
@connected
def review_decide(
    connection: Connection,
    output: Output,
    review_id: str,
    spans: tuple[str, ...],
    word: str | None,
    reason: str,
    request_id: str,
) -> None:
    """Decide the items of a review that wait for your word.

    Without --item they are shown one after the other, each with what was used of it, and a key says your word. Nobody decides on what
    they hold themselves.
    """
    from munjigi.cli.output import console, print_machine
    from munjigi.cli.review_table import items_table
    from munjigi.cli.review_walk import walk
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

    if bool(spans) != (word is not None):
        raise click.UsageError(
            "Give --item and a word (--keep, --reduce, --revoke, --suspend, --as-planned; of an access --ok, --suspicious), or neither."
        )
    named = numbers_of(span for span in spans if "-" not in span)
    several = numbers_of(span for span in spans if "-" in span)
    with Session(connection) as session:
        review = session.ask(calls.GetReviewRequest(review_id=review_id), calls.GetReviewResponse).review
        items: dict[int, pb.ReviewItem] = {}
        if several or not named:  # of many, those that wait for one's word
            asked = calls.ListReviewItemsRequest(review_id=review_id, to_decide=True, numbers=several, page_size=1000)
            items = {each.number: each for each in session.whole(asked, calls.ListReviewItemsResponse, "items").items}
        if named:
            asked = calls.ListReviewItemsRequest(review_id=review_id, numbers=named, page_size=1000)
            items |= {each.number: each for each in session.whole(asked, calls.ListReviewItemsResponse, "items").items}

        def say(decisions: Sequence[calls.ReviewDecision], key: str = "") -> list[pb.ReviewItem]:
            said = calls.DecideItemRequest(
                request_id=key, review_id=review_id, plan_digest=review.plan_digest, decisions=list(decisions)
            )
            return list(session.ask(said, calls.DecideItemResponse).items)

        if word is None:
            if output != "table":
                raise click.UsageError("--output json and ndjson go with --item.")
            walk(list(items.values()), say)
            return
        if not items:
            raise Failure(
                "None of these items waits for your word.", f"`munjigi review show {review_id}` says whose they are.", FAILED
            )
        decisions = [
            calls.ReviewDecision(number=each.number, word=_word(word, each), reason=reason) for _, each in sorted(items.items())
        ]
        done: list[pb.ReviewItem] = []
        for start in range(0, len(decisions), _PIECE):
            key = f"{request_id}.{start}" if request_id and start else request_id
            done += say(decisions[start : start + _PIECE], key)
    if not print_machine(output, calls.DecideItemResponse(items=done), done):
        console().print(items_table(done))


def numbers_of(spans: Iterable[str]) -> list[int]:
    """Return the numbers that spans like `3` and `3-17` name, ascending. Raises `click.UsageError`."""
    found: set[int] = set()
    for span in spans:
        first, dash, last = span.partition("-")
        if not (first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit()))):
            raise click.UsageError("--item takes a number like 3 or a span like 3-17.")
        start, end = int(first), int(last or first)
        if not 0 <= end - start < 100_000 or len(first) > 9 or len(last) > 9:
            raise click.UsageError("--item takes spans from a lower to a higher number, of at most 100,000 items.")
        found.update(range(start, end + 1))
    return sorted(found)


def _word(word: str, item: pb.ReviewItem) -> str:
    from munjigi.cli.review_table import verdict_of

    name = verdict_of(item) if word == "planned" else word
    if name == "ask":
        raise Failure(
            f"The plan proposes nothing for item {item.number}: it asks you.",
            "Say --ok or --suspicious." if item.HasField("access") else "Say --keep, --reduce, --revoke or --suspend.",
            FAILED,
        )
    return f"REVIEW_WORD_{name.upper()}"
