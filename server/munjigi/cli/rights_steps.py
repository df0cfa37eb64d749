"""Steps in the life of rights, out of permission records: as rows that an auditor's ledger has, as a table, as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from munjigi.cli.moments import show_moment

if TYPE_CHECKING:
    from rich.table import Table

    from munjigi.cli.session import Session
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


def steps_of(session: Session, holder: str, since: int = 0) -> tuple[list[dict[str, str]], bool]:
    """Return the steps of a holder's rights, oldest first, and whether the index has all that was durable."""
    records, complete = _records(session, holder, since)
    return [_step(record) for record in records], complete


def steps_of_person(session: Session, person_id: str, since: int = 0) -> tuple[list[dict[str, str]], bool]:
    """Return the steps of the rights of all accounts that a person has, as `steps_of` does."""
    from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

    person = session.ask(pb.GetPersonRequest(person_id=person_id), pb.GetPersonResponse).person
    accounts = {(account.issuer, account.subject) for account in person.accounts}
    found = [_records(session, subject, since) for subject in sorted({subject for _, subject in accounts})]
    mine = (each for records, _ in found for each in records)
    mine = (each for each in mine if (each.content["holder_issuer"], each.content["holder"]) in accounts)
    return [_step(each) for each in sorted(mine, key=_place)], all(complete for _, complete in found)


def _place(record: audit_pb2.AuditRecord) -> tuple[int, int]:
    """Return what orders permission records: they are of one log, or of that which a restore ended before."""
    return record.time, int(record.id.rpartition("-")[2])


def _records(session: Session, holder: str, since: int) -> tuple[list[audit_pb2.AuditRecord], bool]:
    from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

    asked = pb.SearchRecordsRequest(holder=holder, from_time=since, page_size=1000)
    found = session.whole(asked, pb.SearchRecordsResponse, "records", _MOST)
    return [each for each in reversed(found.records) if each.event_type.startswith("permission.")], found.complete


def steps_table(steps: Iterable[dict[str, str]]) -> Table:
    """Return the table, some lines a step."""
    from munjigi.cli.output import safe, styled, table

    listing = table("time", "event", "right", "period", "who and why", fold=("right", "who and why"))
    for step in steps:
        right = styled(step["right"], "bold").append(
            f"\nfor {safe(step['purpose'])}\n{safe(step['grant'] or step['request'])}", style="dim"
        )
        period = f"from {step['from'][:19] or 'approval'}\nto   {step['until'][:19]}"
        who = styled(", ".join(filter(None, (step["decided by"] or step["registered by"], step["method"]))), "")
        who.append(f"\n{safe(step['reason'])}\n{step['record']}", style="dim")
        listing.add_row(step["time"][:19].replace(" ", "\n"), step["event"], right, period, who)
    return listing


def write_csv(steps: Iterable[dict[str, str]]) -> None:
    """Write the steps to standard output, one line each."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in step.items()} for step in steps)


def _step(record: audit_pb2.AuditRecord) -> dict[str, str]:
    """Say what a permission record says, under the ledger's heads."""
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
