"""What is done once over a store, however many hosts there are: one process holds the duty by a lease, and by a fencing number.

The holder renews its row; who waits for it counts from when he first saw the last renewal, a tenth longer (as in `app/lease.py`), and takes
over with the next number. Whoever was paused meanwhile sees by its own clock that its lease has run out, and what it still writes
is refused by its number, in the transaction that writes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, NamedTuple

from munjigi.app.lease_keeper import boot_time
from munjigi.grants.ports import DutyRow, DutyStore
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import FailedPrecondition, MunjigiError
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

SCHEDULER: Final = "scheduler"
DUTY_LOST: Final = "DUTY_LOST"  # the reason of `FailedPrecondition` where somebody else has the duty
_LOGGER: Final = logging.getLogger("munjigi.follower")


class _Seen(NamedTuple):
    row: DutyRow | None
    since: int


class Duty:
    """One duty, held or waited for by this process. `store` opens the store, and may raise `Unavailable`. One thread turns, any may ask."""

    def __init__(
        self,
        store: Callable[[], DutyStore],
        seconds: float,
        meter: Meter,
        name: str = SCHEDULER,
        monotonic: Callable[[], int] = boot_time,
    ) -> None:
        self.name: Final = name
        self._store = store
        self._length = int(seconds * SECOND)
        self._meter = meter
        self._monotonic = monotonic
        self._me = secrets.token_hex(8)
        self._row: DutyRow | None = None
        self._until = 0
        self._seen: _Seen | None = None
        self._ended = False
        self._turning = Lock()
        self._threads = ThreadPoolExecutor(1, "munjigi-duty")  # its own: others may be busy for longer than a lease holds

    @property
    def fence(self) -> int:
        """The number under which this process works now; 0 while the duty is another's, or its lease has run out."""
        row = self._row
        return row.fence if row is not None and self._monotonic() < self._until else 0

    async def run(self) -> None:
        """Renew or wait, until the duty is left."""
        while not self._ended:
            with contextlib.suppress(MunjigiError):  # who needs the store says so; the lease runs out meanwhile
                await asyncio.get_running_loop().run_in_executor(self._threads, self.turn)
            self._meter.set(catalogue.SCHEDULER_HOLDER, value=bool(self.fence))
            # Who waits looks twice as often: so long a take-over lasts beyond the lease.
            await asyncio.sleep(self._length / SECOND / (3 if self.fence else 6))

    def turn(self) -> None:
        """Renew the lease, or take the duty over when its holder's has run out. Raises `Unavailable`."""
        with self._turning:
            if self._ended:
                return
            store = self._store()
            self._renew(store) if self._row is not None else self._wait(store)

    def end(self) -> None:
        """Leave the duty to others, at once; does nothing where it is not held."""
        self._until, self._ended = 0, True
        with self._turning:
            row, self._row = self._row, None
            if row is not None:
                with contextlib.suppress(MunjigiError):
                    self._store().replace_duty(row._replace(length=0), row)

    def _renew(self, store: DutyStore) -> None:
        assert self._row is not None
        sent, wanted = self._monotonic(), self._row._replace(renewal=secrets.randbits(62))
        found = store.replace_duty(wanted, self._row)
        if (found.holder, found.fence) != (self._me, wanted.fence):
            self._until, self._row, self._seen = 0, None, _Seen(found, self._monotonic())
            _LOGGER.warning("another host does the scheduled work now", extra={"fence": found.fence})
            return
        self._row = found  # an earlier renewal of ours, when its answer was lost
        if found == wanted:
            self._until = sent + self._length

    def _wait(self, store: DutyStore) -> None:
        found, now = store.duty(self.name), self._monotonic()
        seen = self._seen
        if seen is None or seen.row != found:
            seen = self._seen = _Seen(found, now)
        if found is not None and found.length and now - seen.since <= found.length + found.length // 10:
            return
        fence = 1 if found is None else found.fence + 1
        wanted = DutyRow(self.name, self._me, fence, secrets.randbits(62), self._length)
        sent = self._monotonic()
        with contextlib.suppress(FailedPrecondition):  # two were the first at once
            if store.replace_duty(wanted, found) == wanted:
                self._row, self._until = wanted, sent + self._length
                _LOGGER.info("this host does the scheduled work now", extra={"fence": fence})
