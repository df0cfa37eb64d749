"""A clock that is told the time, and a stopwatch that goes on by itself, both the same in every run."""

from __future__ import annotations

from random import Random

_LEAST = 12_000  # nanoseconds that a verdict takes
_SPREAD = 120_000


class SimulatedClock:
    """Implements `Clock`. `time` is what it says (UTC nanoseconds); it never goes back."""

    def __init__(self, time: int, seed: int) -> None:
        self.time = time
        self._random = Random(f"munjigi stopwatch {seed}")  # noqa: S311 - made-up durations
        self._stopwatch = 0

    def now(self) -> int:
        """Return the time that it was told last."""
        return self.time

    def stopwatch(self) -> int:
        """Return nanoseconds that have gone on since the look before as if a verdict had been made meanwhile."""
        self._stopwatch += _LEAST + int(self._random.random() ** 4 * _SPREAD)
        return self._stopwatch
