"""A small plot for terminals: bars of excess, one line a moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from munjigi.cli.moments import show_day
from munjigi_client._proto.munjigi.v1 import review_pb2 as pb

_WIDTH: Final = 40  # characters of the longest bar
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


def excess_lines(points: Sequence[pb.ExcessPoint]) -> list[str]:
    """Return a head and one line a moment: how many of all permissions that were held were not used, and what would have gone."""
    if not points:
        return []
    lines = ["permissions that were held and not used"]
    for each in points:
        share = each.unused / each.permissions if each.permissions else 0.0
        lines.append(
            f"  {show_day(each.at)}  {bar(share)} {share:6.1%}  {each.unused} of {each.permissions}; "
            f"{each.grants} grants: {each.revoke} revoke, {each.reduce} reduce"
        )
    return lines


def bar(share: float) -> str:
    """Draw a share from 0 to 1, to an eighth of a character."""
    eighths = round(max(0.0, min(1.0, share)) * _WIDTH * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(_WIDTH)
