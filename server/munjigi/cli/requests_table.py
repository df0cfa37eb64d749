"""Requests for access as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from munjigi.cli.moments import show_day, show_moment
from munjigi.cli.output import facts, lines, safe, short_name, styled, table
from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb

_COLOURS = {"requested": "yellow", "approved": "green", "denied": "bold red"}


def state_of(request: pb.AccessRequest) -> Text:
    """Return the word of a request's state."""
    word = short_name(pb.RequestState.Name(request.state), "REQUEST_STATE_")
    return styled(word, _COLOURS.get(word, ""), trusted=True)


def requests_table(requests: Iterable[pb.AccessRequest], title: str = "") -> Table:
    """Return the table, two lines a request."""
    listing = table("request", "who", "role", "state", "decides", title=title, fold=("request", "decides"))
    for each in requests:
        number = styled(each.access_request_id, "bold").append(f"\n{show_day(each.made_at)}", style="dim")
        role = styled(each.role, "").append(f"\nfor {safe(each.purpose)}", style="dim")
        who = styled(each.employee, "")
        if each.applicant != each.employee:
            who.append(f"\nasked by {safe(each.applicant)}", style="dim")
        listing.add_row(number, who, role, state_of(each), safe(decided_by(each)))
    return listing


def decided_by(request: pb.AccessRequest) -> str:
    """Say who may decide an open request; empty when it is closed. Nobody: they have gone, or roles.toml has other stages now."""
    nobody = request.state == pb.REQUEST_STATE_REQUESTED and not request.deciders
    return "nobody now: ask anew, and the answer says why" if nobody else ", ".join(request.deciders)


def votes_of(each: pb.AccessRequest) -> str:
    """Say who decided which stage, in whose stead, when and why; a line a vote."""
    return "\n".join(
        f"{each.stages[vote.stage] if vote.stage < len(each.stages) else 'stage'} {'approved' if vote.approve else 'denied'} by {vote.employee}"
        f"{f' for {vote.on_behalf_of}' if vote.on_behalf_of else ''} on {show_moment(vote.at)}"
        f"{f': {vote.reason}' if vote.reason else ''}"
        for vote in each.votes
    )


def request_facts(each: pb.AccessRequest) -> Table:
    """Return all that a decider has to read."""
    kind = short_name(pb.RequestKind.Name(each.kind), "REQUEST_KIND_")
    begins = show_moment(each.starts_at) if each.starts_at else "with the last approval"
    ends = show_moment(each.ends_at) if each.ends_at else f"{each.days} days after the start"
    scope = ", ".join([*each.scope_actions, *each.scope_objects])
    return facts(
        [
            ("request", styled(each.access_request_id, "bold")),
            ("state", state_of(each)),
            ("kind", kind if kind != "new" else ""),
            ("for", safe(f"{each.employee} ({each.person_id})")),
            ("asked by", safe(each.applicant if each.applicant != each.employee else "")),
            ("on", show_moment(each.made_at)),
            ("role", safe(each.role)),
            ("purpose", safe(f"{each.purpose}{f', {each.impact_assessment}' if each.impact_assessment else ''}")),
            ("case", safe(each.case_id)),
            ("only", safe(scope)),
            ("from", begins),
            ("until", ends),
            ("why", safe(each.reason)),
            ("grant", safe(each.grant_id)),
            ("stages", safe(", ".join(each.stages))),
            ("decided", lines(votes_of(each))),
            ("may decide", safe(decided_by(each))),
            ("digest", each.digest),
        ]
    )
