"""Per-tool rates: a tool that asks more often than `tools.toml` lets it is told when to try again.

Workers of one host share each limit, wherever a tool's connections are: each keeps the one bucket by what it and all others have let
through (`neighbours.py`). Two that look at the same instant may both take what is there for one; the bucket is a call less deep
for each other worker, and what was taken is taken off.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ResourceExhausted
from munjigi.policy.types import Tool
from munjigi.rpc.neighbours import Alone, Cell, Counters

_LONG: Final = 2 * SECOND  # between looks, which are made at each call and each second: this worker was held up


class Bucket:
    """A token bucket, one second deep, that several workers empty."""

    __slots__ = ("_cell", "_depth", "_level", "_others", "_spare", "_then", "rate")

    def __init__(self, rate: int, cell: Cell, now: int, *, workers: int = 1, full: bool = True) -> None:
        self._cell = cell
        self._others = cell.others()
        self._spare = workers - 1
        self._then = now
        self.set_rate(rate)
        self._level = self._depth if full else 0.0

    def set_rate(self, rate: int) -> None:
        """Let another rate through, per second."""
        self.rate = rate
        self._depth = float(rate - min(self._spare, rate // 2))

    def look(self, now: int) -> float:
        """Take over what has flowed in until `now` (UTC nanoseconds), and what others took; return the level."""
        # A clock that was set back fills nothing.
        passed = now - self._then
        if passed > 0:
            self._then = now
            level = self._level + self.rate * passed / SECOND
        else:
            level = self._level
        others = self._cell.others()
        spent = others - self._others
        if spent:
            self._others = others
            if passed > _LONG:  # spread over the time
                level -= spent
            else:  # as if at its end: never too much
                level = min(level, self._depth) - spent
        level = self._level = min(level, self._depth)
        return level

    def take(self, count: int, now: int) -> float:
        """Take `count`, more than the bucket holds when it is full, and return 0; or return the seconds until that may pass."""
        level = self.look(now)
        least = min(count, self._depth)
        if level < least:
            return (least - level) / self.rate
        self._level = level - count
        self._cell.add(count)
        return 0.0


class Rates:
    """A bucket for each registered tool. Decisions count, so a batch of 100 counts 100."""

    def __init__(self, counters: Counters | None = None, workers: int = 1) -> None:
        self._counters = counters or Alone()
        self._workers = workers
        self._buckets: dict[str, Bucket] = {}

    def take(self, tool: Tool | None, count: int, now: int) -> None:
        """Take `count` decisions from the tool's bucket at `now` (UTC nanoseconds).

        A batch larger than the bucket passes when the bucket is full, and is paid for afterwards. Raises
        `ResourceExhausted` with the seconds after which the tool may ask again.
        """
        if tool is None or not tool.checks_per_second:
            return
        wait = self._bucket(tool, now).take(count, now)
        if wait:
            raise ResourceExhausted(
                "TOOL_RATE_EXCEEDED", "This tool asks more often than tools.toml lets it; try again after the given wait.", wait
            )

    def look(self, tools: Iterable[Tool], now: int) -> None:
        """Take over what other workers let through. To be called once a second, and first before the first call."""
        for tool in tools:
            if tool.checks_per_second:
                self._bucket(tool, now).look(now)

    def _bucket(self, tool: Tool, now: int) -> Bucket:
        bucket = self._buckets.get(tool.name)
        if bucket is None:
            name = f"rate {tool.name}"
            full = not self._counters.known(name)  # else this slot's last life may have emptied it just now
            bucket = Bucket(tool.checks_per_second, self._counters.cell(name), now, workers=self._workers, full=full)
            self._buckets[tool.name] = bucket
        elif bucket.rate != tool.checks_per_second:
            bucket.set_rate(tool.checks_per_second)
        return bucket
