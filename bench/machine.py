"""Cores, processor time and medians: what every measurement here shares.

The server gets the first core of this process's set, everything else the last one, so that the load generator
never takes time from what it measures. On a machine with one core both share it, and the table says so.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import psutil

CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE: Final = CORES[0]
LOAD_CORE: Final = CORES[-1]


def keep_compiled() -> None:
    """Let processes that are started from now on keep the modules that they compile, as where they are installed."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pin(core: int, pid: int = 0) -> None:
    """Keep a process, and the children it starts from now on, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {core})


def unpin() -> None:
    """Let this process, and the children it starts from now on, use every core again."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, CORES)


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process so far, from its own clock: user and system, all threads. Seconds, where it can be to the nanosecond."""
    if sys.platform == "linux":
        return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3); what /proc says is in hundredths
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process. MiB."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that `share` of an ascending sequence does not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Spread(NamedTuple):
    """What several rounds gave."""

    median: float
    low: float
    high: float

    def divided(self, by: float) -> Spread:
        """Return the spread in another unit."""
        return Spread(self.median / by, self.low / by, self.high / by)


def spread(values: Iterable[float]) -> Spread:
    """Return median, minimum and maximum."""
    ordered = sorted(values)
    return Spread(statistics.median(ordered), ordered[0], ordered[-1])
