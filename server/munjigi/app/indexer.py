"""The job that moves records from the logs into the audit index."""

from __future__ import annotations

import asyncio
from typing import Final

from munjigi.app.jobs import PartlyDone
from munjigi.app.log_sources import LogSources
from munjigi.audit.follow import Epochs, follow_once
from munjigi.audit.ports import AuditIndex
from munjigi.kernel.errors import Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_BATCH: Final = 2000  # records of a log in one step


class Indexer:
    """Index what is new. The cursor is stored with the records it covers: nothing is missing or doubled afterwards."""

    name = "index"

    def __init__(self, sources: LogSources, index: AuditIndex, meter: Meter) -> None:
        self._sources = sources
        self._index = index
        self._meter = meter
        self._seen: Epochs = {}

    async def step(self) -> bool:
        """Move at most 2,000 records of each log; tell whether there may be more.

        What comes meanwhile waits for the next step, so that many records share a transaction. A log that can't be read now holds up
        no other. Raises then, at the end.
        """
        moved, following, away = await asyncio.to_thread(self._move)
        self._meter.set(catalogue.INDEX_NEXT, value=following)
        if moved:
            self._meter.add(catalogue.INDEX_RECORDS, amount=moved)
        if away is not None:
            raise PartlyDone(away.reason, away.message)
        return moved >= _BATCH

    def _move(self) -> tuple[int, int, Unavailable | None]:
        sources, away = self._sources.reachable()
        moved = follow_once(sources, self._index, _BATCH, self._seen)
        return moved, sum(self._index.cursor(source.log_id) for source in sources), away

    def close(self) -> None:
        """Let go of the logs and the index."""
        self._sources.close()
        self._index.close()
