from __future__ import annotations

import asyncio
import logging

import pytest

from doubles.metrics import MemorySink
from munjigi.app import jobs
from munjigi.app.jobs import Worked
from munjigi.kernel.errors import Unavailable
from munjigi.monitoring.meter import Meter


class Steps:
    """A job that does what it is told, step by step, then stops the follower."""

    def __init__(self, stopping: asyncio.Event, *outcomes: bool | Exception) -> None:
        self.name = "steps"
        self.outcomes = list(outcomes)
        self.done = 0
        self.closed = False
        self._stopping = stopping

    async def step(self) -> bool:
        self.done += 1
        outcome = self.outcomes.pop(0) if self.outcomes else False
        if not self.outcomes:
            self._stopping.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        self.closed = True


def test_a_failing_job_is_tried_again_and_harms_no_neighbour(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(jobs, "_FIRST_DELAY", 0.001)

    async def scenario() -> None:
        stopping, idle = asyncio.Event(), asyncio.Event()
        sink = MemorySink()
        broken = Steps(stopping, Unavailable("AWAY", "Start it."), ValueError("010-1234-5678"), True, False)
        fine = Steps(idle, *[False] * 5)
        works = [Worked(job, Meter(sink), stopping) for job in (broken, fine)]
        await asyncio.gather(*(work.run() for work in works))
        assert broken.done == 5  # four as told, and the last look after the stop
        assert fine.done >= 2
        assert broken.closed
        assert fine.closed
        assert not any(work.failing for work in works)

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert [record.__dict__["error"] for record in caplog.records] == ["Unavailable", "ValueError"]
    assert "5678" not in caplog.text


def test_a_stopped_job_that_fails_does_not_hold_up_the_end():
    async def scenario() -> None:
        stopping = asyncio.Event()
        job = Steps(stopping, True, Unavailable("AWAY", "Start it."))
        job.outcomes.extend([Unavailable("AWAY", "Start it.")] * 3)
        stopping.set()
        work = Worked(job, Meter(MemorySink()), stopping)
        await work.run()
        assert (job.done, work.failing, job.closed) == (2, True, True)

    asyncio.run(scenario())


def test_a_hiccup_degrades_nothing_and_a_long_failure_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "_FIRST_DELAY", 0.001)

    async def scenario(long: float) -> list[bool]:
        monkeypatch.setattr(jobs, "_LONG", long)
        stopping = asyncio.Event()
        seen: list[bool] = []

        class Watched(Steps):
            async def step(self) -> bool:
                seen.append(work.degraded)
                return await super().step()

        work = Worked(Watched(stopping, *[Unavailable("AWAY", "Start it.")] * 3, True, False), Meter(MemorySink()), stopping)
        await work.run()
        return seen

    assert asyncio.run(scenario(60.0)) == [False] * 6
    assert asyncio.run(scenario(0.0)) == [False, True, True, True, False, False]
