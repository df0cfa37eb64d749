"""`munjigi audit usage`: counted use held against the use that the documents in Elasticsearch give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from munjigi.cli.cluster import reader_options
from munjigi.cli.failure import DONE, UNCOUNTED, UNVERIFIED
from munjigi.cli.moments import show_moment, zone_option
from munjigi.cli.options import Output, output_option

if TYPE_CHECKING:
    from rich.console import Console

    from munjigi.adapters.usage.compared import Difference
    from munjigi.adapters.usage.rows import Kept
    from munjigi.app.config import Settings
    from munjigi.app.usage_compared import Compared

_SHOWN: Final = 50  # differences on a screen; JSON has them all


@click.command("usage")
@reader_options
@zone_option
@output_option
def audit_usage(settings: Settings, output: Output) -> int:
    """Count use anew out of Elasticsearch, and compare it with what was counted out of the logs.

    Both are of the same records: of each log those that are counted. Of each grant and permission first and last use, reads, days and members
    must be equal. What differs is named, and where documents are missing or too many: either is exit 5. While shipping is behind what
    is counted, nothing is compared: exit 4.
    """
    from munjigi.app.usage_compared import compare_usage
    from munjigi.cli.output import console, print_machine
    from munjigi.kernel.clock import SystemClock

    found = compare_usage(settings, SystemClock())
    answer = _answer(found)
    if not print_machine(output, answer, [*answer["logs"], *answer["blocks"], *answer["differences"]]):
        _show(console(), found)
    return UNCOUNTED if found.behind else DONE if found.equal else UNVERIFIED


def _answer(found: Compared) -> dict[str, Any]:
    """Return it for programs. Times are UTC nanoseconds."""
    from msgspec import to_builtins

    logs = [{"log_id": mark.log_id, "next_index": mark.next_index, "behind": mark.log_id in found.behind} for mark in found.marks]
    return {
        "equal": found.equal,
        "records": found.records,
        "permissions": found.held.permissions,
        "since": found.since,
        "known_in_part": found.held.older,
        "reconciled": to_builtins(found.reconciled),
        "logs": logs,
        "blocks": [each._asdict() for each in found.blocks],
        "differences": [_difference(each) for each in found.held.differences],
    }


def _difference(each: Difference) -> dict[str, Any]:
    return {
        "grant_id": each.grant_id,
        "object": each.permission.object,
        "action": each.permission.action,
        "differs": list(each.what),
        "counted": _use(each.counted),
        "elasticsearch": _use(each.found),
    }


def _use(kept: Kept | None) -> dict[str, int]:
    if kept is None:
        return {"first_at": 0, "last_at": 0, "uses": 0, "days": 0, "members": 0}
    return {
        "first_at": kept.first_at,
        "last_at": kept.last_at,
        "uses": kept.uses,
        "days": kept.days.bit_count(),
        "members": kept.members,
    }


def _show(screen: Console, found: Compared) -> None:
    """Show it to a person."""
    from munjigi.cli.output import safe, styled, table

    if found.behind:
        screen.print(styled(f"not yet shipped: the newest records of {', '.join(found.behind)}", "yellow"))
        screen.print("Nothing was compared. Run it again when `munjigi_ship_backlog_records` is 0.")
        return
    for block in found.blocks:
        what = "missing" if block.documents < block.records else "too many"
        place = f"{block.log_id}-{block.first} to {block.next_index - 1}"
        screen.print(styled(f"{what}: {place} are {block.records} records and {block.documents} documents", "bold red"))
    if found.held.differences:
        right = ("counted", "Elasticsearch")
        listing = table("grant", "permission", "differs", *right, right=right)
        for each in found.held.differences[:_SHOWN]:
            permission = safe(f"{each.permission.action} {each.permission.object}")
            listing.add_row(safe(each.grant_id), permission, ", ".join(each.what), *map(_words, (each.counted, each.found)))
        screen.print(listing)
        if len(found.held.differences) > _SHOWN:
            screen.print(f"and {len(found.held.differences) - _SHOWN} more; `--output ndjson` names them all")
    word = styled("equal" if found.equal else "not equal", "green" if found.equal else "bold red")
    screen.print(word, f"{found.held.permissions} permissions that were used, {found.records} records of {len(found.parts)} logs")
    if found.since:
        screen.print(
            f"Of before {show_moment(found.since)} there is a part: {found.held.older} permissions that were used before were compared from then on."
        )
    last = found.reconciled
    if not found.equal:
        screen.print("`munjigi audit reconcile` names the documents. The logs stay the truth, and what is counted out of them.")
    elif not last.at:
        screen.print("No `munjigi audit reconcile` has held the documents themselves against the logs yet.")
    else:
        screen.print(
            f"The documents themselves were last held against the logs at {show_moment(last.at)}: {last.missing} were missing and sent again, "
            f"{last.altered} altered, {last.invented} invented."
        )


def _words(kept: Kept | None) -> str:
    return "never" if kept is None else f"{kept.uses} reads, {kept.days.bit_count()} days, {kept.members} members"
