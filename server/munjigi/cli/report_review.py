"""`munjigi report review`: a review as pages for a regulator, whose digests stand in the trail."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from munjigi.reports.review_page import Figure, ReportItem, ReviewReport
    from munjigi_client._proto.munjigi.v1 import review_pb2 as pb


@click.command("review")
@click.argument("review_id", metavar="REVIEW")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, show_envvar=True, help="Folder for the pages."
)
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def report_review(connection: Connection, output: Output, review_id: str, out: Path, request_id: str) -> None:
    """Write what was reviewed, on which use, who decided what, and what became of it: HTML in Korean and in English.

    Each number stands beside the command that gives it again. The pages' SHA-256 are recorded in the trail, under its seal. Needs `read` on
    `munjigi.review`.
    """
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi.reports.review_page import LANGUAGES, page
    from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

    with Session(connection) as session:
        review = session.ask(calls.GetReviewRequest(review_id=review_id), calls.GetReviewResponse).review
        asked = calls.ListReviewItemsRequest(review_id=review_id, page_size=1000)
        items = session.whole(asked, calls.ListReviewItemsResponse, "items").items
        report = _report(review, list(items))
        pages = {f"review.{language}.html": page(report, language).encode() for language in LANGUAGES}
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in pages.items()}
        noted = session.ask(
            calls.NoteReportRequest(
                request_id=request_id,
                review_id=review_id,
                files=[calls.ReportFile(name=name, sha256=digest) for name, digest in digests.items()],
            ),
            calls.NoteReportResponse,
        )
    out.mkdir(parents=True, exist_ok=True)
    for name, content in pages.items():
        (out / name).write_bytes(content)
    said = {
        "files": [{"path": str(out / name), "sha256": digest} for name, digest in digests.items()],
        "record_id": noted.record_id,
    }
    if print_machine(output, said, [said]):
        return
    for name, digest in digests.items():
        click.echo(f"{digest}  {out / name}")
    click.echo(f"recorded as {noted.record_id}")


def _report(review: pb.Review, items: list[pb.ReviewItem]) -> ReviewReport:
    from munjigi.cli.moments import show_moment
    from munjigi.cli.review_table import result_of, sample_of
    from munjigi.reports.review_page import ReviewReport
    from munjigi_client._proto.munjigi.v1 import review_pb2

    by = Counter(each.decided_by for each in items if each.word)
    listed = [each for each in items if each.verdict != review_pb2.REVIEW_VERDICT_KEEP or each.word > review_pb2.REVIEW_WORD_KEEP]
    facts = [
        ("review", review.review_id),
        ("kind", review.kind),
        ("planned", show_moment(review.made_at)),
        ("window", f"{show_moment(review.window_start)} to {show_moment(review.cutoff)}"),
        ("policy", review.policy_revision),
        ("grants", str(review.grant_revision)),
        ("plan", review.plan_digest),
        ("rules", review.rules_digest),
        *((name, value) for name, value in (("sample", sample_of(review)), ("result", result_of(review))) if value),
        *(("watermark", f"{each.log_id} {each.next_index}") for each in review.watermarks),
    ]
    return ReviewReport(
        review.review_id,
        review.title or review.kind,
        show_moment(max((each.decided_at for each in items), default=0) or review.made_at),
        tuple(facts),
        tuple(_figures(review, items)),
        tuple(sorted(by.items(), key=lambda pair: (-pair[1], pair[0]))),
        tuple(_item(each) for each in listed),
        len(items) - len(listed),
        of_accesses=review.HasField("sample"),
    )


def _figures(review: pb.Review, items: list[pb.ReviewItem]) -> list[Figure]:
    from munjigi.reports.review_page import Figure

    name = review.review_id
    show = f"munjigi review show {name} --output json"
    if review.HasField("sample"):
        found = [
            Figure(name, f"{getattr(review.sample, name):,}", f"{show} | jq '.review.sample.{name}'")
            for name in ("exports", "others", "drawn")
        ]
        return found + _counted(show, (("word", review.words), ("state", review.states)))
    found = [
        Figure("items_all", f"{review.items:,}", f"{show} | jq '.items | length'"),
        Figure("replayed", f"{review.replayed:,}", f"{show} | jq '.review.replayed'"),
        Figure("newly_denied", f"{len(review.newly_denied_used):,}", f"{show} | jq '.review.newly_denied_used | length'"),
    ]
    found += _counted(show, (("verdict", review.verdicts), ("word", review.words), ("state", review.states)))
    default = sum(1 for each in items if each.word and not each.decided_by)
    found.append(
        Figure(
            "by_default",
            f"{default:,}",
            f'{show} | jq \'[.items[] | select(.word != "REVIEW_WORD_UNSPECIFIED" and .decided_by == "")] | length\'',
        )
    )
    states = {each.name: each.items for each in review.states}
    taken = states.get("applied", 0) + states.get("undone", 0)
    share = f"{states.get('undone', 0) / taken:.2%}" if taken else "0"
    found.append(Figure("restored", share, f"{show} | jq '.review.states'"))
    return found


def _counted(show: str, several: Iterable[tuple[str, Iterable[pb.ReviewCount]]]) -> list[Figure]:
    from munjigi.reports.review_page import Figure

    found = []
    for of, counts in several:
        field = f"review_{'item_state' if of == 'state' else of}".upper()
        found += [
            Figure(
                f"{of}_{each.name}",
                f"{each.items:,}",
                f"{show} | jq '[.items[] | select(.{of} == \"{field}_{each.name.upper()}\")] | length'",
            )
            for each in counts
            if each.items
        ]
    return found


def _item(each: pb.ReviewItem) -> ReportItem:
    from munjigi.cli.moments import show_moment
    from munjigi.cli.review_table import access_of, decided_of, item_state_of, members_of, used_of, verdict_of
    from munjigi.reports.review_page import ReportItem

    access = each.HasField("access")
    return ReportItem(
        each.number,
        each.employee,
        f"{show_moment(each.access.at)}\n{access_of(each)}" if access else f"{each.role}\n{each.purpose}\n{each.grant_id}",
        verdict_of(each),
        each.rule,
        members_of(each) if access else used_of(each).plain,
        decided_of(each),
        each.decided_by,
        each.reason,
        f"{item_state_of(each)}\n{each.note}" if each.note else item_state_of(each),
    )
