"""Grants as a person reads them; `whoami` and `grant list` show the same table."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from munjigi.cli.moments import show_day
from munjigi.cli.output import safe, styled, table
from munjigi_client._proto.munjigi.v1 import grant_pb2


def grants_table(grants: Iterable[grant_pb2.Grant], *, employees: bool) -> Table:
    """Return the table; `employees` adds the column of who holds each grant."""
    heads = ("role", "purpose", "scope", "from", "until", "approved by", "grant")
    listing = table(*(("employee", *heads) if employees else heads), fold=("scope", "grant", "approved by", "employee"))
    for each in grants:
        scope = ", ".join([*each.scope_objects, *each.scope_actions]) or "whole role"
        row = [
            safe(each.role),
            safe(each.purpose),
            safe(scope),
            show_day(each.starts_at),
            show_day(each.ends_at) if each.active else styled(f"{show_day(each.ends_at)} (not in force)", "dim"),
            safe(", ".join(each.approved_by)),
            safe(each.grant_id),
        ]
        listing.add_row(*([safe(each.employee), *row] if employees else row))
    return listing
