"""Reads that another worker allowed and a client confirms here: its connection broke, or it has several.

They are looked up in the other worker's log. A second confirmation here gets the first one's answer; one at yet another worker
is recorded once more, and whoever counts takes one of a decision.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from munjigi.audit.records import AccessRecord, decode
from munjigi.kernel.errors import InvalidArgument, NotFound
from munjigi.kernel.ids import parse_record_id
from munjigi.rpc.pending import PendingRead
from munjigi.rpc.ports import Trail

_MOST: Final = 10_000


class ForeignReads:
    """The last of them that were asked for, by log id and index. Lives on the event loop."""

    def __init__(self, trail: Trail, own_log: str) -> None:
        self._trail = trail
        self._own_log = own_log
        self._reads: OrderedDict[tuple[str, int], PendingRead] = OrderedDict()
        self._reading = asyncio.Semaphore(2)

    def unknown(self, decision_ids: Iterable[str]) -> list[tuple[str, int]]:
        """Return those of other logs that have to be looked up."""
        found = []
        for each in decision_ids:
            with suppress(InvalidArgument):
                place = parse_record_id(each)
                if not self._trail.alone and place[0] != self._own_log and place not in self._reads:
                    found.append(place)
        return found

    async def look_up(self, places: Iterable[tuple[str, int]]) -> None:
        """Look for them in the logs; what is no allowed read is left out."""
        async with self._reading:
            found = await asyncio.to_thread(lambda: {place: self._read(*place) for place in places})
        for place, read in found.items():
            if read is not None:
                self._reads.setdefault(place, read)
        while len(self._reads) > _MOST:
            self._reads.popitem(last=False)

    def get(self, log_id: str, index: int) -> PendingRead | None:
        """Return an allowed read that was looked up."""
        return self._reads.get((log_id, index))

    def confirm(self, log_id: str, index: int, confirmation: int) -> None:
        """Note the index of the first confirmation here of a read that `get` has returned."""
        self._reads[log_id, index] = self._reads[log_id, index]._replace(confirmed_at=confirmation)

    def _read(self, log_id: str, index: int) -> PendingRead | None:
        try:
            payload = self._trail.record(log_id, index)
        except NotFound:  # removed long ago
            return None
        record = decode(payload) if payload is not None else None
        if not isinstance(record, AccessRecord) or not record.valid_until or record.observe:
            return None
        who = (record.issuer, record.employee, record.tool)
        return PendingRead(*who, record.resource, record.purpose, record.valid_until, None)
