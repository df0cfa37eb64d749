"""`munjigi audit search`: the trail, newest first; pages are followed up to `--limit`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from munjigi.cli.moments import Moment, show_moment
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from munjigi_client._proto.munjigi.v1 import audit_pb2


@click.command("search")
@click.option(
    "--employee",
    "who",
    default="",
    envvar="MUNJIGI_AUDIT_SEARCH_EMPLOYEE",
    metavar="EMPLOYEE",
    show_envvar=True,
    help="Whose accesses.",
)
@click.option("--through", default="", metavar="TOOL", show_envvar=True, help="Through which tool.")
@click.option(
    "--member",
    "member_id",
    envvar="MUNJIGI_AUDIT_SEARCH_MEMBER",
    default="",
    metavar="SERIAL",
    show_envvar=True,
    help="Whose data; looked up by keyed reference, never recorded.",
)
@click.option("--resource", default="", show_envvar=True, help="database.table or class:NAME.")
@click.option("--decision-id", default="", metavar="ID", show_envvar=True, help="One decision and what followed from it.")
@click.option("--event-type", default="", metavar="TYPE", show_envvar=True, help="For example access.decision or policy.load.")
@click.option("--decision", type=click.Choice(["allow", "deny"], case_sensitive=False), show_envvar=True, help="Verdict.")
@click.option(
    "--case", "case_id", default="", envvar="MUNJIGI_AUDIT_SEARCH_CASE", metavar="ID", show_envvar=True, help="Case or ticket."
)
@click.option(
    "--since", type=Moment(), default=0, show_envvar=True, help="From this moment on: RFC 3339, a day, or 15m, 8h, 7d ago."
)
@click.option("--until", type=Moment(), default=0, show_envvar=True, help="Before this moment.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, show_envvar=True, help="Records at most."
)
@connected
def audit_search(
    connection: Connection,
    output: Output,
    who: str,
    through: str,
    member_id: str,
    resource: str,
    decision_id: str,
    event_type: str,
    decision: str | None,
    case_id: str,
    since: int,
    until: int,
    limit: int,
) -> None:
    """Search the audit trail, newest record first."""
    from munjigi.cli.output import console, print_machine, styled
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

    request = pb.SearchRecordsRequest(
        employee=who,
        tool=through,
        member_id=member_id,
        resource=resource,
        decision_id=decision_id,
        event_type=event_type,
        decision=f"DECISION_{(decision or 'unspecified').upper()}",
        from_time=since,
        to_time=until,
        page_size=min(limit, 1000),
        case_id=case_id,
    )
    with Session(connection) as session:
        found = session.whole(request, pb.SearchRecordsResponse, "records", limit)
    if print_machine(output, found, found.records):
        return
    screen = console()
    if found.records:
        screen.print(records_table(found.records))
    else:
        screen.print("No record matches.")
    notes = f"{len(found.records)} shown, newest first; times are UTC"
    if found.next_page_token:
        notes += "; there are more: raise --limit or narrow the search"
    screen.print(styled(notes, "dim"))
    if not found.complete:
        screen.print(styled("The index has not caught up with the journal; search again for the newest records.", "yellow"))


def records_table(records: Iterable[audit_pb2.AuditRecord]) -> Table:
    """Return records as a table of two lines each: what happened above, under which case and record below."""
    from munjigi.cli.output import as_dict, safe, styled, table

    listing = table("time", "who", "what", "answer", fold=("who", "what", "answer"))
    for each in records:
        content = as_dict(each).get("content", {})
        who = styled("", "").append(safe(str(content.get("employee") or each.event_type)), style="bold")
        if content.get("tool"):
            who.append(f"\nvia {safe(str(content['tool']))}", style="dim")
        what = styled(_what(each.event_type, content), "")
        what.append(f"\n{safe(each.id)}", style="dim")
        time = show_moment(each.time)
        when = styled("", "").append(time[:10], style="dim").append(f"\n{time[11:23]}")
        listing.add_row(when, who, what, _answer(each.event_type, content))
    return listing


def _what(event_type: str, content: dict[str, object]) -> str:
    """Say in one line what a record is about."""
    if event_type == "access.decision":
        names = ",".join(str(field["name"]) for field in _dicts(content.get("fields")))
        own = content.get("own")
        subject = f"{content.get('action')} {content.get('resource')}" + (f" ({names})" if names and not own else "")
        subject += f" for {content.get('purpose')}" if not own else f" by {content.get('door')}"
        subject += f", {content['case_id']}" if content.get("case_id") else ""
        count = content.get("subject_count") or len(_list(content.get("members")))
        subject += f", {count} member{'' if count == 1 else 's'}" if count else ""
        return subject + (" [probe]" if content.get("probe") else "") + (" [observed]" if content.get("observe") else "")
    if event_type == "access.confirm":
        return f"{content.get('outcome')} {content.get('row_count', 0)} row(s) of {content.get('decision_id')}"
    if event_type == "policy.load":
        return f"policy {str(content.get('policy_revision'))[:12]} from {content.get('source')}"
    if event_type == "process.event":
        return f"gateway {content.get('event')}, version {content.get('version')}, front {content.get('front', '?')}"
    if event_type == "identity.failure":
        return f"{content.get('count', 1)} refused sign-in(s) from {content.get('peer')}"
    return event_type


def _answer(event_type: str, content: dict[str, object]) -> Text:
    from munjigi.cli.output import safe, styled, verdict

    if event_type == "policy.load":
        return (
            styled("accepted", "green")
            if content.get("accepted")
            else styled(f"refused\n{content.get('first_problem', '')}", "red")
        )
    word = verdict(str(content.get("decision", "")))
    if reason := content.get("reason"):
        word.append(f"{chr(10) if word.plain else ''}{safe(str(reason))}", style="not bold default")
    return word


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _dicts(value: object) -> list[dict[str, object]]:
    return [each for each in _list(value) if isinstance(each, dict)]
