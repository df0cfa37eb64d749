"""Grants as a person reads them; `whoami` and `grant list` show the same table."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from munjigi.cli.moments import show_day, show_last_day
from munjigi.cli.output import safe, styled, table
from munjigi_client._proto.munjigi.v1 import grant_pb2


def grants_table(grants: Iterable[grant_pb2.Grant], *, employees: bool) -> Table:
    """Return the table, two lines a grant; `employees` adds the column of who holds each."""
    heads = ("role", "in force", "approved by")
    listing = table(*(("employee", *heads) if employees else heads), fold=("role", "approved by"))
    for each in grants:
        role = styled("", "").append(safe(each.role), style="bold").append(f"\nfor {safe(each.purpose)}")
        if each.scope_objects or each.scope_actions:
            role.append(f"\nonly {safe(', '.join([*each.scope_actions, *each.scope_objects]))}", style="yellow")
        force = styled("", "").append(f"from {show_day(each.starts_at)}\nto   {show_last_day(each.ends_at)}")
        if each.break_glass:
            force.append("\nin an emergency", style="yellow")
        if not each.active:
            why = each.suspended or each.ended
            force.append(f"\nnot in force: {safe(f'{each.state}, {why}' if why else each.state)}", style="yellow")
        by = styled("", "").append(safe(", ".join(each.approved_by))).append(f"\n{safe(each.grant_id)}", style="dim")
        row = [role, force, by]
        listing.add_row(*([safe(each.employee), *row] if employees else row))
    return listing
