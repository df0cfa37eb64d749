"""The difference of two policies for people: one line for cells that change alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from munjigi.cli.moments import show_day, show_moment
from munjigi.cli.output import console, safe, styled, table
from munjigi.cli.policy_diff_wire import Impact
from munjigi.policy.diff import Difference, Setting
from munjigi.policy.types import PolicyBundle

if TYPE_CHECKING:
    from munjigi.app.traffic import ChangedDecision

_COLOURS = {"gains": "green", "loses": "red", "changes": "yellow"}


def show(
    before: PolicyBundle,
    after: PolicyBundle,
    differences: Sequence[Difference],
    around: Sequence[Setting],
    impact: Impact | None,
    limit: int,
) -> None:
    """Print everything, each table at most `limit` lines long."""
    click.echo(f"{safe(before.source)} {before.revision[:12]} -> {safe(after.source)} {after.revision[:12]}")
    if not differences and not around:
        click.echo("No difference: everybody sees what they saw.")
    if differences:
        _cells(differences, limit)
    for each in around[:limit]:
        what = f"{each.kind} {each.name}" + (f", {each.key}" if each.key else "")
        click.echo(safe(f"{what}: {each.before or '(none)'} -> {each.after or '(none)'}"))
    _more(len(around), limit)
    if impact is not None:
        _impact(impact, limit)


def _cells(differences: Sequence[Difference], limit: int) -> None:
    alike = _alike(differences)
    listing = table(
        "change",
        "role",
        "purpose",
        "action",
        "object",
        "before",
        "after",
        fold=("purpose", "action", "object", "before", "after"),
    )
    for line in alike[:limit]:
        change, role, was, now = line.seen
        places = (", ".join(each) for each in (line.purposes, line.actions, line.objects))
        listing.add_row(styled(change, _COLOURS[change]), safe(role), *map(safe, places), safe(was), safe(now))
    console().print(listing)
    _more(len(alike), limit)


class _Line(NamedTuple):
    """Cells that change alike: every one of these objects, actions and purposes together."""

    seen: tuple[str, str, str, str]
    objects: tuple[str, ...]
    actions: tuple[str, ...]
    purposes: tuple[str, ...]


def _alike(differences: Sequence[Difference]) -> list[_Line]:
    """Put the objects of one action and purpose together, then the actions with equal objects, then the purposes."""
    objects: dict[tuple[tuple[str, str, str, str], str, str], list[str]] = defaultdict(list)
    for each in differences:
        objects[(each.change, each.role, str(each.before), str(each.after)), each.action, each.purpose].append(each.object)
    actions: dict[tuple[tuple[str, str, str, str], tuple[str, ...], str], list[str]] = defaultdict(list)
    for (seen, action, purpose), found in objects.items():
        actions[seen, tuple(found), purpose].append(action)
    purposes: dict[tuple[tuple[str, str, str, str], tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for (seen, found_objects, purpose), found in actions.items():
        purposes[seen, found_objects, tuple(found)].append(purpose)
    return [_Line(*key, tuple(found)) for key, found in purposes.items()]


def _impact(impact: Impact, limit: int) -> None:
    if impact.concerned:
        for each in impact.concerned[:limit]:
            departments = ", ".join(f"{name} {count}" for name, count in each.departments)
            click.echo(safe(f"{each.role}: {_count(each.employees, 'employee')} ({departments})"))
        _more(len(impact.concerned), limit)
    else:
        click.echo("Nobody holds a role that changes.")
    traffic = impact.traffic
    decisions = _count(traffic.decisions, "real decision")
    if traffic.changed:
        who = _count(traffic.employees, "employee")
        click.echo(f"Since {show_day(impact.since)}: {len(traffic.changed)} of {decisions}, of {who}, would change.")
    else:
        click.echo(f"Since {show_day(impact.since)}: none of {decisions} would change.")
    if traffic.unknown:
        click.echo(f"Not asked again: {_count(traffic.unknown, 'question')} about names that no catalog knew.")
    if traffic.changed:
        _decisions(traffic.changed, limit)


def _decisions(changed: Sequence[ChangedDecision], limit: int) -> None:
    listing = table("decision", "time", "employee", "resource", "purpose", "change", fold=("change",))
    for each in changed[:limit]:
        record, turned = each.record, each.turned
        whole = [f"{turned.before} -> {turned.after}"] if turned.before != turned.after else []
        parts = whole + [f"{name}: {was} -> {now}" for name, was, now in turned.fields]
        about = f"{record.resource} {record.action}"
        listing.add_row(
            each.decision_id,
            show_moment(record.time),
            safe(record.employee),
            safe(about),
            safe(record.purpose),
            safe("; ".join(parts)),
        )
    console().print(listing)
    _more(len(changed), limit)


def _more(count: int, limit: int) -> None:
    if count > limit:
        click.echo(f"… and {count - limit} more; --limit shows more, --output json all.")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
