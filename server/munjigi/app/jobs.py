"""A job of the follower: a step at a time over the logs, for ever, failing without harm to its neighbours."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable
from typing import Final, Protocol

from munjigi.kernel.errors import MunjigiError, Unavailable, frames_of
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_LOGGER: Final = logging.getLogger("munjigi.follower")
_FIRST_PAUSE: Final = 0.05  # seconds after a step that leaves nothing to do; doubled after each further one, up to the longest
_LONGEST_PAUSE: Final = 0.25
_FIRST_DELAY: Final = 0.5  # seconds after a failure; doubles up to the longest
_LONGEST_DELAY: Final = 30.0
_PARTLY_DELAY: Final = 2.0  # seconds
_LONG: Final = 10.0  # seconds of failing that are more than a hiccup


class PartlyDone(Unavailable):
    """A step that did its work but for a log that can't be read now: tried again soon, since the other logs go on growing."""


class Job(Protocol):
    """What is done with the logs. Its progress is stored with what it makes, so that it may end at any moment."""

    name: str

    async def step(self) -> bool:
        """Do a bounded piece of work; tell whether there is more. An error is logged, and the step tried again later."""
        ...

    def close(self) -> Awaitable[None] | None:
        """Let go of what is open; return what to wait for, if anything. A second call does nothing."""
        ...


class Worked:
    """One job at work until it is asked to stop, and until nothing is left then.

    `failing`: its last step failed. `degraded`: all steps have failed for longer than a hiccup takes.
    """

    def __init__(self, job: Job, meter: Meter, stopping: asyncio.Event) -> None:
        self._job = job
        self._meter = meter
        self._stopping = stopping
        self.failing = False
        self._failing_since = 0.0

    @property
    def degraded(self) -> bool:
        """Tell whether the job has been failing for long."""
        return self.failing and time.monotonic() - self._failing_since >= _LONG

    async def run(self) -> None:
        """Step until asked to stop; then once more, for what came before, and until a step finds nothing or fails."""
        delay, rest = _FIRST_DELAY, _FIRST_PAUSE
        try:
            while True:
                last = self._stopping.is_set()
                try:
                    worked = await self._job.step()
                    self.failing, delay, pause = False, _FIRST_DELAY, rest
                    rest = _FIRST_PAUSE if worked else min(2 * rest, _LONGEST_PAUSE)
                except Exception as error:  # noqa: BLE001  # a job's failure is its own; the others go on
                    worked, pause = False, delay
                    if isinstance(error, PartlyDone):
                        pause = _PARTLY_DELAY
                    else:
                        delay = min(2 * delay, _LONGEST_DELAY)
                    self._failed(error, pause)
                self._meter.set(catalogue.FOLLOWER_JOB_FAILING, self._job.name, value=self.failing)
                if last and not worked:
                    return
                if not worked:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), pause)
        finally:
            closing = self._job.close()
            if closing is not None:
                await closing

    def _failed(self, error: Exception, pause: float) -> None:
        if not self.failing:
            self.failing, self._failing_since = True, time.monotonic()
        self._meter.add(catalogue.FOLLOWER_JOB_FAILURES, self._job.name)
        ours = isinstance(error, MunjigiError)
        said = (
            {"reason": error.reason, "help": error.message} if isinstance(error, MunjigiError) else {"frames": frames_of(error)}
        )
        _LOGGER.log(
            logging.WARNING if ours else logging.ERROR,
            "a job of the follower failed and is tried again",
            extra={"job": self._job.name, "error": type(error).__name__, "delay_seconds": pause, **said},
        )
