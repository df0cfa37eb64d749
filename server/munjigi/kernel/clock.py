"""Time comes in as a value: UTC, int64 nanoseconds since 1970."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final, Protocol

SECOND: Final = 1_000_000_000


class Clock(Protocol):
    """Tell the time."""

    def now(self) -> int:
        """Return UTC nanoseconds since 1970."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return UTC nanoseconds since 1970."""
        return time.time_ns()


def to_rfc3339(ns: int) -> str:
    """Format nanoseconds since 1970 as RFC 3339 in UTC, with nanoseconds."""
    seconds, rest = divmod(ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
