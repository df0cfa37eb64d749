"""What every store can keep, whatever database it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from munjigi.kernel.errors import InvalidArgument

_LAST_NS: Final = 2**63 - 1
_NOT_STORABLE: Final = re.compile("[\\x00\\ud800-\\udfff]")


def check_storable(texts: Iterable[str], times: Iterable[int]) -> None:
    """Refuse a lone surrogate (not UTF-8), NUL (PostgreSQL), and times that are not of 64 bits. Raises `InvalidArgument`."""
    if any(map(_NOT_STORABLE.search, texts)):
        raise InvalidArgument(
            "TEXT_INVALID", "A name contains a character that can't be stored; use plain Unicode text without NUL."
        )
    if any(not 0 <= time <= _LAST_NS for time in times):
        raise InvalidArgument("TIME_INVALID", "A time is UTC nanoseconds since 1970, from 0 to 2^63-1.")
