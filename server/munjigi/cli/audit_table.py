"""Records of the trail for people: a table of a search, and one line each for a tail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from munjigi.cli.moments import show_moment

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from munjigi_client._proto.munjigi.v1 import audit_pb2


def records_table(records: Iterable[audit_pb2.AuditRecord]) -> Table:
    """Return records as a table of two lines each: what happened above, under which case and record below."""
    from munjigi.cli.output import as_dict, safe, styled, table

    listing = table("time", "who", "what", "answer", fold=("who", "what", "answer"))
    for each in records:
        content = as_dict(each).get("content", {})
        who = styled("", "").append(safe(str(content.get("employee") or each.event_type)), style="bold")
        if content.get("tool"):
            who.append(f"\nvia {safe(str(content['tool']))}", style="dim")
        what = styled(_what(each.event_type, content) + _SYNTHETIC[content.get("synthetic") is True], "")
        what.append(f"\n{safe(each.id)}", style="dim")
        time = show_moment(each.time)
        when = styled("", "").append(time[:10], style="dim").append(f"\n{time[11:23]}")
        listing.add_row(when, who, what, _answer(each.event_type, content))
    return listing


def line(record: audit_pb2.AuditRecord) -> Text:
    """Return a record as one line: when, who, what, the answer, and its id."""
    from munjigi.cli.output import as_dict, safe, styled

    content = as_dict(record).get("content", {})
    shown = styled(show_moment(record.time), "dim")
    shown.append(f"  {safe(str(content.get('employee') or record.event_type))}", style="bold")
    shown.append(f"  {safe(_what(record.event_type, content))}{_SYNTHETIC[content.get('synthetic') is True]}  ")
    answer = _answer(record.event_type, content)
    answer.plain = answer.plain.replace("\n", " ")
    shown.append_text(answer)
    return shown.append(f"  {safe(record.id)}", style="dim")


_SYNTHETIC: Final = ("", " [synthetic]")
_VERBS: Final = {
    "permission.grant": "gave",
    "permission.change": "changed",
    "permission.suspend": "suspended",
    "permission.resume": "resumed",
    "permission.revoke": "ended",
    "permission.request": "asked for",
    "permission.vote": "approved a stage of",
    "permission.close": "decided on",
}


def _state(content: dict[str, object]) -> str:
    return f": {content['request_state']}" if content.get("request_state") else ""


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
    if event_type == "process.restored":
        return f"backup {content.get('backup_id')} restored by {content.get('operator')}, sealed on as {content.get('origin')}"
    if event_type == "permission.person":
        return f"person {content.get('person_id')}, {content.get('department') or 'no department'}"
    if event_type in ("permission.block", "permission.unblock"):
        return f"{event_type.partition('.')[2]}ed {content.get('principal_kind')} {content.get('principal')}: {content.get('reason')}"
    if event_type in _VERBS:
        about = content.get("grant_id") or content.get("access_request_id")
        holder = content.get("holder")
        return f"{_VERBS[event_type]} {content.get('role')} for {content.get('purpose')} of {holder} ({about}){_state(content)}"
    if event_type == "denial.flood":
        return f"{content['count']} denials counted" if content.get("count") else "denials are counted from here on"
    if event_type == "journal.removed":
        return f"removed records {content.get('first_index')} to {int(str(content.get('next_index', 0)).partition('.')[0]) - 1}"
    if event_type in ("retention.hold", "retention.release"):
        return f"{'held' if event_type.endswith('hold') else 'released'} records ({content.get('hold_id')})"
    if event_type == "identity.failure":
        return f"{content.get('count', 1)} refused sign-in(s) from {content.get('peer')}"
    return event_type


def _answer(event_type: str, content: dict[str, object]) -> Text:
    from munjigi.cli.output import safe, styled, verdict

    if event_type == "policy.load":
        return (
            styled("accepted", "green")
            if content.get("accepted")
            else styled("refused", "red").append(f"\n{safe(str(content.get('first_problem', '')))}")
        )
    word = verdict(str(content.get("decision", "")))
    if reason := content.get("reason"):
        word.append(f"{chr(10) if word.plain else ''}{safe(str(reason))}", style="not bold default")
    return word


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _dicts(value: object) -> list[dict[str, object]]:
    return [each for each in _list(value) if isinstance(each, dict)]
