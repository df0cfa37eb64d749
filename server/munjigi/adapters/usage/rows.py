"""The bytes of a grant's use: a list of permissions in order, each with its times, counts and days; and which members those were.

Permissions that are always used together have the same members, so a sketch is kept once and meant by its number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from munjigi.kernel.errors import Corruption
from munjigi.kernel.review import Permission
from munjigi.review import sketch
from munjigi.review.days import Days, bitmap
from munjigi.review.ports import Counted, PermissionUse


class Row(msgspec.Struct, array_like=True, gc=False):
    """The use of one permission. `days` is little-endian; its bit 0 is the day `base` (since 1970), that of `first_at`."""

    object: str
    action: str
    first_at: int
    last_at: int
    uses: int
    members: int
    base: int
    days: bytes
    sketch: int


class Kept(NamedTuple):
    """All that is kept of the use of one permission. Bit n of `days` is the day `base` + n (since 1970); `sketch` says which members."""

    first_at: int
    last_at: int
    uses: int
    members: int
    base: int
    days: int
    sketch: bytes


_encoder: Final = msgspec.msgpack.Encoder()
_rows: Final = msgspec.msgpack.Decoder(list[Row])
_sketches: Final = msgspec.msgpack.Decoder(list[bytes])


def added(used: bytes, sketches: bytes, counted: Mapping[Permission, Counted], days: Days) -> tuple[int, bytes, bytes]:
    """Add to the bytes of a grant (empty where there are none); return when it was last used, and its bytes."""
    rows: dict[tuple[str, str], Row] = {(row.object, row.action): row for row in decoded(used)} if used else {}
    kept = _sketches.decode(sketches) if sketches else []
    members = {permission: kept[row.sketch] for permission, row in rows.items()}
    known: dict[tuple[int, bytes], tuple[bytes, int]] = {}  # what is always used together has one sketch, and one sum
    for permission, more in counted.items():
        row = rows.get(permission)
        if row is None:
            row = rows[permission] = _new(permission, more, days)
        else:
            _add(row, more, days)
        key = (id(more), members.get(permission, b""))
        if key not in known:
            its = sketch.merged(key[1], more.members)
            known[key] = (its, sketch.count(its))
        members[permission], row.members = known[key]
    numbers: dict[bytes, int] = {}
    found = []
    last_at = 0
    for name in sorted(rows):
        row = rows[name]
        row.sketch = numbers.setdefault(members[name], len(numbers))
        last_at = max(last_at, row.last_at)
        found.append(row)
    return last_at, _encoder.encode(found), _encoder.encode(list(numbers))


def decoded(used: bytes) -> list[Row]:
    """Return the permissions of a grant's bytes. Raises `Corruption`."""
    try:
        return _rows.decode(used)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Corruption(
            "USAGE_CORRUPT", "The counted use is damaged; stop munjigi and restore it from a backup (docs/reviews.md)."
        ) from None


def uses_of(used: bytes, known: dict[tuple[str, str], Permission]) -> tuple[PermissionUse, ...]:
    """Return the use of a grant by permission. `known` keeps one value of each permission."""
    found = []
    for row in decoded(used):
        key = (row.object, row.action)
        permission = known.get(key)
        if permission is None:
            permission = known[key] = Permission(*key)
        found.append(
            PermissionUse(permission, row.first_at, row.last_at, row.uses, row.members, int.from_bytes(row.days, "little"))
        )
    return tuple(found)


def kept_of(used: bytes, sketches: bytes) -> dict[Permission, Kept]:
    """Return all that a grant's bytes say, by permission. Raises `Corruption`."""
    members = _sketches.decode(sketches) if sketches else []
    return {
        Permission(row.object, row.action): Kept(
            row.first_at, row.last_at, row.uses, row.members, row.base, int.from_bytes(row.days, "little"), members[row.sketch]
        )
        for row in (decoded(used) if used else ())
    }


def _new(permission: Permission, counted: Counted, days: Days) -> Row:
    base = days.of(counted.first_at)
    return Row(*permission, counted.first_at, counted.last_at, counted.uses, 0, base, _bytes(bitmap(counted.days, base)), 0)


def _add(row: Row, counted: Counted, days: Days) -> None:
    base = row.base
    if counted.first_at < row.first_at:
        row.first_at, row.base = counted.first_at, days.of(counted.first_at)
    known = int.from_bytes(row.days, "little") << (base - row.base)
    found = known | bitmap(counted.days, row.base)
    if found != known or base != row.base:
        row.days = _bytes(found)
    row.last_at = max(row.last_at, counted.last_at)
    row.uses += counted.uses


def _bytes(days: int) -> bytes:
    return days.to_bytes((days.bit_length() + 7) // 8, "little")
