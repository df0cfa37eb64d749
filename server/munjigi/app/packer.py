"""The job that packs closed segments of the journals (`audit/packing.py`), one at a time, away from the workers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from munjigi.audit import mark, packing
from munjigi.audit.reader import list_logs
from munjigi.kernel.errors import Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_NEVER: Final = (-1, -1)


class Packer:
    """Pack what is closed. Has no progress of its own: the files say what is left to do."""

    name = "pack"

    def __init__(self, journal: Path, meter: Meter) -> None:
        self._journal = journal
        self._meter = meter
        self._done: dict[str, tuple[int, int]] = {}  # by log: its mark when nothing was left
        self._tidy = False

    async def step(self) -> bool:
        """Pack one segment of each log."""
        try:
            packed = await asyncio.to_thread(self._pack)
        except OSError as error:
            raise Unavailable("JOURNAL_NOT_PACKED", f"A segment can't be packed ({error.strerror}); look at the disk.") from error
        if packed:
            self._meter.add(catalogue.JOURNAL_PACKED, amount=packed)
        return bool(packed)

    def close(self) -> None:
        """Do nothing: nothing stays open between steps."""

    def _pack(self) -> int:
        if not self._tidy:
            packing.tidy(self._journal)
            self._tidy = True
        packed = 0
        for log_id in list_logs(self._journal):
            folder = self._journal / log_id
            epoch = mark.epoch(folder)
            if self._done.get(log_id, _NEVER) == epoch:
                continue
            names = packing.waiting(folder)
            if names:
                packing.pack(folder, names[0])
                packed += 1
            else:
                self._done[log_id] = epoch
        return packed
