"""How large a bulk request may be is found out, never configured: it shrinks at once, and grows slowly while requests pass.

A cluster, or a proxy before it, says that a request is too large (413), or is too slow with it. The way to find the place is
the congestion window's of TCP (RFC 5681): halve, then probe upwards.
"""

from __future__ import annotations

from typing import Final

MOST_DOCUMENTS: Final = 1000
MOST_BYTES: Final = 5_000_000
_LEAST_STEP: Final = 1024  # bytes
_SHARE: Final = 64  # a request that passes widens the limit by one of so many parts
# A cluster that hangs is slow with anything: requests get no smaller than this for it.
_LEAST_FOR_TIME: Final = 64 * 1024


class RequestSize:
    """The limit of one request's bytes. Starts at the most."""

    def __init__(self) -> None:
        self.limit = MOST_BYTES

    def passed(self, size: int) -> None:
        """Note a request that was answered in time. A small one says nothing about large ones."""
        if 2 * size >= self.limit:
            self.limit = min(MOST_BYTES, self.limit + max(_LEAST_STEP, self.limit // _SHARE))

    def too_large(self, size: int) -> None:
        """Note a request that was refused for its size. Several of one size, under way together, count once."""
        self.limit = max(1, min(self.limit, size // 2))

    def too_slow(self, size: int) -> None:
        """Note a request without an answer in time."""
        self.limit = max(min(self.limit, _LEAST_FOR_TIME), min(self.limit, size // 2))
