"""Legal holds for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from munjigi.cli.moments import show_moment

if TYPE_CHECKING:
    from rich.table import Table

    from munjigi_client._proto.munjigi.v1 import audit_pb2


def period(hold: audit_pb2.Hold) -> str:
    """Say which records a hold covers."""
    if not hold.from_time and not hold.to_time:
        return "all records"
    begin = f" from {show_moment(hold.from_time)}" if hold.from_time else ""
    end = f" before {show_moment(hold.to_time)}" if hold.to_time else ""
    return f"records{begin}{end}"


def holds_table(holds: Iterable[audit_pb2.Hold]) -> Table:
    """Return holds as a table."""
    from munjigi.cli.output import safe, table

    listing = table("hold", "covers", "why", "placed", fold=("covers", "why"))
    for each in holds:
        placed = f"{show_moment(each.placed_at)[:16]} by {safe(each.employee)}"
        listing.add_row(safe(each.hold_id), period(each), safe(each.reason), placed)
    return listing
