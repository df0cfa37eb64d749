"""Reviews and their items as a person reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from rich.table import Table
from rich.text import Text

from munjigi.cli.moments import show_day, show_moment
from munjigi.cli.output import facts, safe, short_name, styled, table
from munjigi_client._proto.munjigi.v1 import review_pb2 as pb

_COLOURS: Final = {
    "revoke": "bold red",
    "reduce": "yellow",
    "suspend": "yellow",
    "ask": "yellow",
    "keep": "green",
    "open": "yellow",
    "ok": "green",
    "suspicious": "bold red",
}


def word_of(text: str) -> Text:
    """Return a verdict, a word or a state in its colour."""
    return styled(text, _COLOURS.get(text, ""))


def state_of(review: pb.Review) -> str:
    """Return the word of a review's state."""
    return short_name(pb.ReviewState.Name(review.state), "REVIEW_STATE_")


def item_state_of(item: pb.ReviewItem) -> str:
    """Return the word of an item's state."""
    return short_name(pb.ReviewItemState.Name(item.state), "REVIEW_ITEM_STATE_")


def verdict_of(item: pb.ReviewItem) -> str:
    """Return the word of what is proposed."""
    return short_name(pb.ReviewVerdict.Name(item.verdict), "REVIEW_VERDICT_")


def decided_of(item: pb.ReviewItem) -> str:
    """Return the word of what was decided; empty before."""
    return short_name(pb.ReviewWord.Name(item.word), "REVIEW_WORD_") if item.word else ""


def reviews_table(reviews: Iterable[pb.Review]) -> Table:
    """Return the table, two lines a review."""
    listing = table("review", "kind", "state", "items", "undecided", "applied from", fold=("kind",), right=("items", "undecided"))
    for each in reviews:
        number = styled(each.review_id, "bold").append(f"\n{show_day(each.made_at)}", style="dim")
        kind = styled(each.kind, "").append(f"\n{safe(each.title)}", style="dim")
        undecided = {count.name: count.items for count in each.states}.get("open", 0)
        listing.add_row(number, kind, word_of(state_of(each)), str(each.items), str(undecided), show_moment(each.apply_from)[:16])
    return listing


def review_facts(each: pb.Review) -> Table:
    """Return all that is to know of a review besides its items."""
    return facts(
        [
            ("review", styled(each.review_id, "bold")),
            ("kind", safe(f"{each.kind} ({each.title})" if each.title else each.kind)),
            ("state", word_of(state_of(each)) if each.state else ""),
            ("why", safe(each.reason)),
            ("planned", f"{show_moment(each.made_at)}{f' by {safe(each.opened_by)}' if each.opened_by else ''}"),
            ("judged", f"from {show_moment(each.window_start)} until {show_moment(each.cutoff)}"),
            ("proposed", counts_of(each.verdicts)),
            ("decided", counts_of(each.words)),
            ("items", counts_of(each.states) or str(each.items)),
            ("looked at", sample_of(each)),
            ("result", result_of(each)),
            ("replayed", "" if each.HasField("sample") else _replayed(each)),
            ("applied from", show_moment(each.apply_from)),
            ("managers, too", show_moment(each.escalate_at)),
            ("privacy office", show_moment(each.office_at)),
            ("by default", show_moment(each.decide_until)),
            ("goes on", show_moment(each.continue_from)),
            ("over caps by", safe(", ".join(each.over_caps_by))),
            ("looked at again", safe(", ".join(each.stamped))),
            ("policy", each.policy_revision[:12]),
            ("plan", each.plan_digest),
        ]
    )


def sample_of(each: pb.Review) -> str:
    """Say which accesses are looked at."""
    if not each.HasField("sample"):
        return ""
    found = each.sample
    return f"all {found.exports} exports, and {found.drawn} of {found.others} other accesses, drawn by {found.seed}"


def result_of(each: pb.Review) -> str:
    """Say what came of looking at accesses."""
    return f"{each.result.ok} ok, {each.result.suspicious} suspicious, {each.result.digest}" if each.HasField("result") else ""


def counts_of(counts: Iterable[pb.ReviewCount]) -> str:
    """Write counts down: `12 revoke, 3 reduce`."""
    return ", ".join(f"{each.items} {each.name}" for each in counts if each.items)


def items_table(items: Iterable[pb.ReviewItem], title: str = "") -> Table:
    """Return the table, some lines an item."""
    items = list(items)
    if items and items[0].HasField("access"):
        return _accesses_table(items, title)
    heads = ("item", "holder", "right", "proposed", "used", "state")
    listing = table(*heads, title=title, fold=("right", "used"), right=("item",))
    for each in items:
        right = styled(each.role, "bold").append(f"\nfor {safe(each.purpose)}", style="")
        if each.verdict == pb.REVIEW_VERDICT_REDUCE:
            right.append(f"\nto only {safe(_short(each))}", style="yellow")
        right.append(f"\n{safe(each.grant_id)}", style="dim")
        proposed = word_of(verdict_of(each)).append(f"\n{safe(each.rule)}", style="dim")
        listing.add_row(str(each.number), safe(each.employee), right, proposed, used_of(each), _state(each))
    return listing


def _accesses_table(items: Iterable[pb.ReviewItem], title: str) -> Table:
    heads = ("item", "who", "access", "of", "state")
    listing = table(*heads, title=title, fold=("access", "of"), right=("item",))
    for each in items:
        who = styled(each.employee, "").append(f"\n{show_moment(each.access.at)[:16]}", style="dim")
        what, *rest = map(safe, access_of(each).splitlines())
        access = styled(what, "bold", trusted=True).append("".join(f"\n{line}" for line in rest), style="")
        listing.add_row(str(each.number), who, access, members_of(each), _state(each))
    return listing


def access_of(each: pb.ReviewItem) -> str:
    """Say in a few lines what an access was: what was done with which fields, why, and its record."""
    access = each.access
    case = f", case {access.case_id}" if access.case_id else ""
    return "\n".join(
        (f"{access.action} {access.resource}", ", ".join(access.fields), f"for {each.purpose}{case}", access.record_id)
    )


def members_of(each: pb.ReviewItem) -> str:
    """Say of how many members' data an access was."""
    access = each.access
    members = f"{access.members:,} member{'s' * (access.members != 1)}" if access.members else "members not named"
    rows = f"{access.rows:,} row{'s' * (access.rows != 1)} read" if access.read else "no read confirmed"
    return f"{members}\n{rows}"


def used_of(each: pb.ReviewItem) -> Text:
    """Say in a few lines what was used of a grant, and what was not."""
    reads = sum(use.uses for use in each.used)
    last = max((use.last_at for use in each.used), default=0)
    total = len(each.used) + len(each.unused)
    text = styled(f"{len(each.used)} of {total} permissions", "")
    text.append(
        f"\nlast {show_day(last)}, {reads:,} reads"
        if last
        else f"\nnever, as far as is known; may lie {each.threshold_days} days"
    )
    if each.unused and each.used:
        text.append(f"\nnot {safe(by_table(permission.object for permission in each.unused))}", style="dim")
    return text


def item_facts(each: pb.ReviewItem) -> Table:
    """Return what a reviewer has to know of an item."""
    if each.HasField("access"):
        return _access_facts(each)
    return facts(
        [
            ("item", styled(str(each.number), "bold")),
            ("holder", safe(f"{each.employee} ({each.person_id})")),
            ("role", safe(each.role)),
            ("purpose", safe(each.purpose)),
            ("grant", safe(each.grant_id)),
            ("proposed", word_of(verdict_of(each)).append(f", by {safe(each.rule)}", style="dim")),
            ("leaves", safe(_scope(each)) if each.verdict == pb.REVIEW_VERDICT_REDUCE else ""),
            ("takes away", safe(each.data_class)),
            ("may lie unused", f"{each.threshold_days} days"),
            ("used", used_of(each)),
            ("exception", _exception(each)),
            ("decided", _state(each) if each.word else ""),
            ("may decide", safe(", ".join(each.reviewers))),
        ]
    )


def _access_facts(each: pb.ReviewItem) -> Table:
    access = each.access
    return facts(
        [
            ("item", styled(str(each.number), "bold")),
            ("who", safe(f"{each.employee} ({each.person_id})" if each.person_id else each.employee)),
            ("when", show_moment(access.at)),
            ("through", safe(access.tool)),
            ("access", safe(f"{access.action} {access.resource}")),
            ("fields", safe(", ".join(access.fields))),
            ("purpose", safe(each.purpose)),
            ("case", safe(access.case_id)),
            ("of", safe(members_of(each).replace("\n", ", "))),
            ("data class", safe(each.data_class)),
            ("record", safe(access.record_id)),
            ("chosen as", safe(each.rule)),
            ("said", _state(each) if each.word else ""),
            ("may decide", safe(", ".join(each.reviewers))),
        ]
    )


def evidence_table(each: pb.ReviewItem) -> Table:
    """Return every permission of an item's grant: when it was used, how often, on how many days, of how many members."""
    listing = table(
        "permission", "first", "last", "reads", "days", "members", fold=("permission",), right=("reads", "days", "members")
    )
    for use in each.used:
        name = f"{safe(use.action)} {safe(use.object)}"
        listing.add_row(name, show_day(use.first_at), show_day(use.last_at), str(use.uses), str(use.days), str(use.members))
    for permission in each.unused:
        left = styled(f"{permission.action} {permission.object}", "dim")
        listing.add_row(left, "", styled("not used", "dim", trusted=True), "", "", "")
    return listing


def by_table(objects: Iterable[str]) -> str:
    """Name objects in short: `crm.member 3, crm.payment 1`; classes are those of columns that are named."""
    tables = Counter(each.rpartition(".")[0] for each in set(objects) if not each.startswith("class:"))
    return ", ".join(f"{name} {count}" for name, count in sorted(tables.items()))


def _short(each: pb.ReviewItem) -> str:
    """Say in a line what `reduce` leaves."""
    return f"{', '.join(each.scope_actions)} on {by_table(each.scope_objects) or 'all'}"


def _scope(each: pb.ReviewItem) -> str:
    return ", ".join([*each.scope_actions, *each.scope_objects])


def _state(each: pb.ReviewItem) -> Text:
    text = word_of(item_state_of(each)) if each.state else Text()
    if each.word:
        text.append(f"\n{decided_of(each)}", style=_COLOURS.get(decided_of(each), ""))
        text.append(f" by {safe(each.decided_by)}" if each.decided_by else " by default", style="dim")
    for note in (each.reason, each.note, "to be decided again by somebody else" if each.second else ""):
        if note:
            text.append(f"\n{safe(note)}", style="dim")
    return text


def _exception(each: pb.ReviewItem) -> str:
    if not each.HasField("exception"):
        return ""
    found = each.exception
    stands = f"approved by {found.approved_by}" if found.approved_by else "not approved yet"
    return f"{found.exception_id}: until {show_moment(found.expires_at)[:16]}, asked by {found.requested_by}, {stands}: {found.reason}"


def _replayed(each: pb.Review) -> str:
    denied = len(each.newly_denied_used)
    return f"{each.replayed} decisions of that time; {denied} that were used would be denied" if each.plan_digest else ""
