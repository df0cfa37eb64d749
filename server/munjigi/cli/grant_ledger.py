"""`munjigi grant ledger`: the whole life of a right, for whoever has to prove it."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from munjigi.cli.moments import Moment, show_moment
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from munjigi_client._proto.munjigi.v1 import audit_pb2

# What ISMS-P 2.5.6 asks a ledger of rights for, and where it stands in the trail.
COLUMNS: Final = (
    "time",
    "event",
    "holder",
    "right",
    "purpose",
    "case",
    "from",
    "until",
    "applicant",
    "decided by",
    "reason",
    "registered by",
    "method",
    "request",
    "grant",
    "record",
)
_MOST: Final = 100_000


@click.command("ledger")
@click.argument("holder", metavar="EMPLOYEE")
@click.option("--grant", "grant_id", default="", metavar="ID", help="Only what concerns this grant, its requests included.")
@click.option("--since", type=Moment(), default=0, show_envvar=True, help="From this moment on.")
@click.option("--csv", "as_csv", is_flag=True, show_envvar=True, help="As CSV (UTF-8), one line a step.")
@connected
def grant_ledger(connection: Connection, output: Output, holder: str, grant_id: str, since: int, as_csv: bool) -> None:
    """Show each step of EMPLOYEE's rights, oldest first: who asked, who decided what and why, what was given and taken.

    Needs the right to read munjigi.audit.
    """
    from munjigi.cli.output import console, print_json, print_lines, safe, styled, table
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

    with Session(connection) as session:
        asked = pb.SearchRecordsRequest(holder=holder, from_time=since, page_size=1000)
        found = session.whole(asked, pb.SearchRecordsResponse, "records", _MOST)
    steps = [_step(record) for record in reversed(found.records) if record.event_type.startswith("permission.")]
    if grant_id:
        requests = {step["request"] for step in steps if step["grant"] == grant_id} - {""}
        steps = [step for step in steps if step["grant"] == grant_id or step["request"] in requests]
    if as_csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in step.items()} for step in steps)
        return
    if output == "json":
        print_json({"steps": steps})
    elif output == "ndjson":
        print_lines(steps)
    else:
        screen = console()
        listing = table("time", "event", "right", "period", "who and why", fold=("right", "who and why"))
        for step in steps:
            right = styled(step["right"], "bold").append(
                f"\nfor {safe(step['purpose'])}\n{safe(step['grant'] or step['request'])}", style="dim"
            )
            period = f"from {step['from'][:19] or 'approval'}\nto   {step['until'][:19]}"
            who = styled(", ".join(filter(None, (step["decided by"] or step["registered by"], step["method"]))), "")
            who.append(f"\n{safe(step['reason'])}\n{step['record']}", style="dim")
            listing.add_row(step["time"][:19].replace(" ", "\n"), step["event"], right, period, who)
        screen.print(listing)
        screen.print(styled(f"{len(steps)} steps; times are UTC", "dim"))
    if not found.complete:
        click.echo("The index has not caught up with the trail; ask again for the newest steps.", err=True)


def _step(record: audit_pb2.AuditRecord) -> dict[str, str]:
    """Return the step that a record is."""
    from munjigi.cli.output import as_dict

    content: dict[str, Any] = as_dict(record).get("content", {})
    event = record.event_type.partition(".")[2]
    votes = content.get("votes") or []
    last = votes[-1] if votes else {}
    decided = event in ("vote", "close") and bool(last)
    instead = f" for {last['on_behalf_of']}" if last.get("on_behalf_of") else ""
    by = f"{last['subject']}{instead}" if decided else ""
    scope = content.get("scope") or {}
    only = ", ".join((*scope.get("actions", ()), *scope.get("objects", ())))
    return {
        "time": show_moment(record.time),
        "event": str(content.get("request_state") if event == "close" else event),
        "holder": str(content.get("holder", "")),
        "right": f"{content.get('role', '')}{f' (only {only})' if only else ''}",
        "purpose": str(content.get("purpose", "")),
        "case": str(content.get("case_id", "")),
        "from": show_moment(int(content.get("starts_at", 0))),
        "until": show_moment(int(content["ends_at"])) if content.get("ends_at") else f"{content.get('days', '')} days",
        "applicant": str(content.get("applicant", "")),
        "decided by": by or ", ".join(content.get("approved_by") or ()),
        "reason": str(last.get("reason") or content.get("reason", "")) if decided else str(content.get("reason", "")),
        "registered by": str(content.get("employee", "")),
        "method": str(content.get("method") or ("break_glass" if content.get("break_glass") else "")),
        "request": str(content.get("access_request_id", "")),
        "grant": str(content.get("grant_id", "")),
        "record": record.id,
    }


def _cell(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text
