"""What every record has."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every record has. The journal sets `index`, `time` (UTC nanoseconds) and `synthetic` when it takes the record."""

    index: int = -1
    time: int = 0
    clock_stepped: bool = False
    synthetic: bool = False
