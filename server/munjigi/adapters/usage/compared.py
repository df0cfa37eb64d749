"""Hold one count of use against another one, permission by permission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from munjigi.adapters.usage.rows import Kept, kept_of
from munjigi.kernel.review import Permission

Grants = Mapping[str, tuple[bytes, bytes]]
"""What is counted, by grant: the bytes of `rows.py`."""


class Difference(NamedTuple):
    """A permission of a grant that two counts say different things of: `what` differs. None: it was not used by that count."""

    grant_id: str
    permission: Permission
    what: tuple[str, ...]
    counted: Kept | None
    found: Kept | None


class Held(NamedTuple):
    """What a comparison looked at, and the differences by grant and permission. `older` were used before the time since when all is known."""

    permissions: int
    older: int
    differences: tuple[Difference, ...]


_NAMES: Final = ("first_at", "last_at", "uses")


def compare(counted: Grants, found: Grants, since: int = 0, since_day: int = 0) -> Held:
    """Compare all grants of either count.

    Of what was used before `since` (UTC nanoseconds) the second count knows a part: only days from `since_day` on, which begins then or
    later, and a last use of since then are compared.
    """
    permissions = older = 0
    differences: list[Difference] = []
    for grant_id in sorted(counted.keys() | found.keys()):
        one, other = counted.get(grant_id, (b"", b"")), found.get(grant_id, (b"", b""))
        uses, there = kept_of(*one), kept_of(*other) if one != other else {}
        permissions += len(uses)
        if one == other:
            continue
        for permission in sorted(uses.keys() | there.keys()):
            mine, its = uses.get(permission), there.get(permission)
            old = mine is not None and mine.first_at < since
            older += old
            what = _of_since(mine, its, since, since_day) if old else _what(mine, its)
            if what:
                differences.append(Difference(grant_id, permission, what, mine, its))
    return Held(permissions, older, tuple(differences))


def _what(mine: Kept | None, its: Kept | None) -> tuple[str, ...]:
    """Name what differs."""
    if mine is None or its is None:
        return ("uses",)
    found = [name for name in _NAMES if getattr(mine, name) != getattr(its, name)]
    if (mine.base, mine.days) != (its.base, its.days):
        found.append("days")
    if (mine.members, mine.sketch) != (its.members, its.sketch):
        found.append("members")
    return tuple(found)


def _of_since(mine: Kept | None, its: Kept | None, since: int, since_day: int) -> tuple[str, ...]:
    """Name what differs of a permission that was used before the second count begins."""
    found = []
    if mine is not None and mine.last_at >= since and (its is None or its.last_at != mine.last_at):
        found.append("last_at")
    if _days_from(mine, since_day) != _days_from(its, since_day):
        found.append("days")
    return tuple(found)


def _days_from(kept: Kept | None, day: int) -> set[int]:
    if kept is None:
        return set()
    return {kept.base + number for number in range(max(0, day - kept.base), kept.days.bit_length()) if kept.days >> number & 1}
