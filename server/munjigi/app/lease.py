"""When a worker's own lease holds, and when another's has run out (promise P8). Pure: time comes in.

Nobody compares clocks of two machines. A worker counts its lease from before it sent the renewal. Who waits for it counts from
when he first saw that renewal, which is later, and a tenth longer, for clocks that run unevenly. So a lease that has run out
for somebody has run out for its owner before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from munjigi.grants.ports import LeaseRow

_FORGOTTEN: Final = 20  # lengths of a lease after which its row is removed: its worker is gone


class OwnLease:
    """The lease of this worker, of `length` nanoseconds. Times are of one monotonic clock.

    It is claimed by a renewal, from when others can see it and wait, and holds once all is applied that they may not have waited for. So a
    worker that begins, or comes back, need not be faster than those who write.
    """

    def __init__(self, length: int) -> None:
        self.length: Final = length
        self._until = 0
        self._claimed = 0
        self._needed = 0

    def holds(self, now: int) -> bool:
        """Tell whether this worker may answer."""
        return now < self._until

    def renewed(self, sent: int, arrived: int, applied: int, revision: int) -> bool:
        """Count a renewal that was sent and came back at these times; tell whether the lease holds.

        `applied` is the grant revision that the renewal said, `revision` the store's last one after it. Had the claim run out
        before, revisions up to that may have been acknowledged without this worker: it must have applied them first. All later ones
        wait for it as long as it renews in time.
        """
        if arrived >= self._claimed:
            self._needed = revision
        self._claimed = max(self._claimed, sent + self.length)
        if applied >= self._needed:
            self._until = self._claimed
        return self.holds(arrived)


class _Seen(NamedTuple):
    row: LeaseRow
    since: int


class Others:
    """The leases that this worker sees, and since when each has not been renewed."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def see(self, rows: Iterable[LeaseRow], now: int) -> None:
        """Note the leases as they were read at or before `now`."""
        seen = self._seen
        self._seen = {
            row.instance: known._replace(row=row)
            if (known := seen.get(row.instance)) is not None and known.row.renewal == row.renewal
            else _Seen(row, now)
            for row in rows
        }

    def behind(self, revision: int, now: int) -> list[LeaseRow]:
        """Return the leases that may still hold and have not applied `revision`."""
        return [row for row, since in self._seen.values() if row.applied < revision and not _run_out(row, since, now)]

    def run_out(self, now: int) -> int:
        """Return how many leases have run out."""
        return sum(_run_out(row, since, now) for row, since in self._seen.values())

    def gone(self, now: int) -> list[LeaseRow]:
        """Return the leases that ran out long ago."""
        return [row for row, since in self._seen.values() if now - since > _FORGOTTEN * row.length]


def _run_out(row: LeaseRow, since: int, now: int) -> bool:
    return now - since > row.length + row.length // 10
