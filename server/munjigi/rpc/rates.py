"""Per-tool rates: a tool that asks more often than `tools.toml` lets it is told when to try again."""

from __future__ import annotations

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ResourceExhausted
from munjigi.policy.types import Tool


class Rates:
    """A token bucket for each registered tool, one second deep. Decisions count, so a batch of 100 counts 100."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, int]] = {}

    def take(self, tool: Tool | None, count: int, now: int) -> None:
        """Take `count` decisions from the tool's bucket at `now` (UTC nanoseconds).

        A batch larger than the bucket passes when the bucket is full, and is paid for afterwards. Raises
        `ResourceExhausted` with the seconds after which the tool may ask again.
        """
        if tool is None or not tool.checks_per_second:
            return
        rate = tool.checks_per_second
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
