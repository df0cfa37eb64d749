"""Read the times of `timeMatch` and of time-bound roles: `2026-01-31 09:00:00` is UTC, ISO 8601 may name an offset."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
OPEN: Final = "_"


@lru_cache(maxsize=4096)
def moment(text: str) -> int:
    """Return a time in ns since 1970 (UTC). Raises ValueError when `text` is none."""
    try:
        found = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        if len(text) <= len("2026-01-31"):
            raise  # a date alone leaves open which of its hours is meant
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
    since = found - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def bound(text: str) -> int | None:
    """Return a bound in ns, None for `_` (open). Raises ValueError when `text` is no time."""
    return None if text == OPEN else moment(text)
