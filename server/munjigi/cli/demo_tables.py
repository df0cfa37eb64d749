"""The demo's summaries: one row for each thing that people did, and what of it all is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from munjigi.company.tally import Scene, Tally

Row = dict[str, Any]


def burst_table(tally: Tally) -> tuple[list[Row], Table]:
    """Return the scenes of a burst as rows and as a table, in the order in which they are listed."""
    from munjigi.company.burst import SCENES

    rows = [{"employee": each.employee, **_row(each.tool, each.what, tally.scene(each.tool, each.what))} for each in SCENES]
    return rows, _table(rows, "who")


def company_table(tally: Tally) -> tuple[list[Row], Table]:
    """Return what a company did as rows and as a table, by tool and how often."""
    found = sorted(tally.scenes.items(), key=lambda each: (each[0][0], -each[1].asked))
    rows = [_row(tool, what, scene) for (tool, what), scene in found]
    return rows, _table(rows, "tool")


def summed(tally: Tally, seconds: float, spent: Sequence[float] = ()) -> Row:
    """Add everything up. `spent` are the seconds of each call."""
    total = tally.total()
    times = sorted(spent) or [0.0]
    made: Row = {
        "decisions": total.asked,
        "allowed": total.allowed,
        "denied": total.denied,
        "confirmed": total.confirmed,
        "errors": sum(total.errors.values()),
        "seconds": round(seconds, 3),
        "decisions_per_second": round(total.asked / seconds, 1),
        "p50_milliseconds": round(1000 * times[len(times) // 2], 3),
        "p99_milliseconds": round(1000 * times[min(len(times) - 1, len(times) * 99 // 100)], 3),
        "probes": tally.probes,
        "denied_by_reason": dict(tally.denied.most_common()),
        "people": tally.people,
        "personnel": dict(tally.personnel.most_common()),
        "changes": dict(tally.changes.most_common()),
        "changes_refused": dict(tally.refused.most_common()),
        "outages": tally.outages,
    }
    return made


def timed(total: Row) -> str:
    """Say what came of calls to a live gateway."""
    said = (
        f"{total['decisions']} answers: {total['allowed']} ALLOW, {total['denied']} DENY; {total['confirmed']} confirmed, "
        f"{total['errors']} errors, in {total['seconds']:.1f} s ({total['decisions_per_second']:.0f}/s, "
        f"p50 {total['p50_milliseconds']:.1f} ms, p99 {total['p99_milliseconds']:.1f} ms a call)"
    )
    return said if not total["people"] else f"{said}\n{staffed(total)}"


def staffed(total: Row) -> str:
    """Say what became of people and rights."""
    lines = [
        f"denied     {_listed(total['denied_by_reason'])}",
        f"people     {total['people']} at the beginning; {_listed(total['personnel'])}",
        f"rights     {_listed(total['changes'])}",
    ]
    if total["changes_refused"]:
        lines.append(
            f"refused    {_listed(total['changes_refused'])} (changes of rights and people that the gateway did not take)"
        )
    return "\n".join(lines)


def left_out(tally: Tally, bare_years: Sequence[int], *, live: bool) -> list[str]:
    """Say what is not there that a reader may expect."""
    notes = []
    if bare_years:
        years = ", ".join(map(str, bare_years))
        notes.append(f"Left out: public holidays of {years}, which the policy home's calendar.toml does not have.")
    if tally.outages:
        notes.append(f"Left out: what nobody could ask in {tally.outages} outages of a tool.")
    if live:
        notes.append("Left out: the days. Everything is recorded now, in the order in which it would have happened.")
    else:
        notes.append(
            "Left out: head-count budgets, the search index (`munjigi serve` makes it), rate limits, leases, sign-ins and traces."
        )
    return notes


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _row(tool: str, what: str, scene: Scene) -> Row:
    return {
        "tool": tool,
        "what": what,
        "decisions": scene.asked,
        "allowed": scene.allowed,
        "denied": scene.denied,
        "confirmed": scene.confirmed,
        "errors": dict(scene.errors),
    }


def _table(rows: list[Row], who: str) -> Any:
    from munjigi.cli.output import styled, table

    numbers = ("asked", "allow", "deny", "confirmed")
    listing = table(who, "what", *numbers, fold=("what",), right=numbers)
    for row in rows:
        what = styled(row["what"], "")
        for reason, count in row["errors"].items():
            what.append(f"\n{reason} x{count}", style="bold red")
        tool = styled(row["employee"], "").append(f" via {row['tool']}", style="dim") if who == "who" else styled(row["tool"], "")
        listing.add_row(
            tool,
            what,
            str(row["decisions"]),
            styled(str(row["allowed"] or ""), "green"),
            styled(str(row["denied"] or ""), "red"),
            str(row["confirmed"] or ""),
        )
    return listing
