"""Per-tool rates: a tool that asks more often than `tools.toml` lets it is told when to try again.

Of several workers each lets through its share, without asking the others: together they never let through more than one worker
would. A tool that wants all of its rate opens as many connections as there are workers.
"""

from __future__ import annotations

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ResourceExhausted
from munjigi.policy.types import Tool


class Rates:
    """A token bucket for each registered tool, one second deep. Decisions count, so a batch of 100 counts 100."""

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._buckets: dict[str, tuple[float, int]] = {}

    def take(self, tool: Tool | None, count: int, now: int) -> None:
        """Take `count` decisions from the tool's bucket at `now` (UTC nanoseconds).

        A batch larger than the bucket passes when the bucket is full, and is paid for afterwards. Raises
        `ResourceExhausted` with the seconds after which the tool may ask again.
        """
        if tool is None or not tool.checks_per_second:
            return
        rate = share(tool.checks_per_second, self._workers)
        level, then = self._buckets.get(tool.name, (float(rate), now))
        # A clock that was set back fills nothing.
        level = min(float(rate), level + rate * max(now - then, 0) / SECOND)
        if level < min(count, rate):
            self._buckets[tool.name] = (level, max(now, then))
            wait = (min(count, rate) - level) / rate
            raise ResourceExhausted(
                "TOOL_RATE_EXCEEDED", "This tool asks more often than tools.toml lets it; try again after the given wait.", wait
            )
        self._buckets[tool.name] = (level - count, max(now, then))


def share(limit: int, workers: int) -> int:
    """Return what one of several workers may use of a limit; of a limit that is there, at least 1."""
    return max(limit // workers, 1) if limit else 0
