"""What a process takes of its machine, and how long its event loop was held up: a few system calls a second."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Final

from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_LOOK_SECONDS: Final = 0.02  # between looks whether the loop turns
_MINUTE: Final = 60
_SELDOM: Final = 15  # looks between two counts of what is dear to count


class Vitals:
    """Vital signs of one process. `note` is called once a second, on its event loop."""

    def __init__(self, process: str, meter: Meter) -> None:
        self._process = process
        self._meter = meter
        self._cpu = 0.0
        self._notes = 0
        self._worst = 0.0  # seconds, since the last note
        self._stalls: deque[float] = deque(maxlen=_MINUTE)
        self._expected = 0.0
        meter.set(catalogue.PROCESS_START, process, value=time.time())

    def watch(self) -> None:
        """Look at the running loop from now on, for as long as it runs."""
        self._expected = time.perf_counter() + _LOOK_SECONDS
        asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._turned)

    def _turned(self) -> None:
        self._worst = max(self._worst, time.perf_counter() - self._expected)
        self.watch()

    def note(self) -> None:
        """Count and set what is known now."""
        cpu = time.process_time()
        self._meter.add(catalogue.PROCESS_CPU, self._process, amount=cpu - self._cpu)
        self._cpu = cpu
        self._stalls.append(self._worst)
        self._worst = 0.0
        self._meter.set(catalogue.LOOP_STALL, self._process, value=max(self._stalls))
        if self._notes % _SELDOM == 0:
            self._meter.set(catalogue.PROCESS_RESIDENT, self._process, value=_resident())
            with suppress(OSError):
                self._meter.set(catalogue.PROCESS_FILES, self._process, value=len(os.listdir("/dev/fd")))  # noqa: PTH208 - names suffice
        self._notes += 1


def _resident() -> int:
    """Return the resident memory in bytes; where there is no /proc, the most that it was."""
    with suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no file of ours
        return int(file.read().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
