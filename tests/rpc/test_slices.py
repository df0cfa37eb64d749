"""Long work is cut into slices; short work is answered at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator

import pytest

from munjigi.kernel.errors import AuditUnavailable
from munjigi.rpc.slices import SLICE_SECONDS, in_slices


def steps(count: int, done: list[int], seconds: float = 0.0) -> Iterator[None]:
    for number in range(count):
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass
        done.append(number)
        yield


def test_short_work_is_answered_at_once() -> None:
    done: list[int] = []
    assert in_slices(steps(3, done), done) is done
    assert done == [0, 1, 2]


def test_others_have_their_turn_between_slices_and_no_step_is_lost() -> None:
    async def run() -> None:
        done: list[int] = []
        seen: list[int] = []
        answer = in_slices(steps(20, done, SLICE_SECONDS / 2), done)
        assert isinstance(answer, Awaitable)

        async def neighbour() -> None:
            while len(done) < 20:
                seen.append(len(done))
                await asyncio.sleep(0)

        found, _ = await asyncio.gather(answer, neighbour())
        assert found == list(range(20))
        assert len(seen) >= 4

    asyncio.run(run())


def test_p1_a_failure_in_a_later_slice_is_the_answer() -> None:
    def failing() -> Iterator[None]:
        yield from steps(5, [], SLICE_SECONDS)
        raise AuditUnavailable("no")

    async def run() -> None:
        answer = in_slices(failing(), None)
        assert isinstance(answer, Awaitable)
        with pytest.raises(AuditUnavailable):
            await answer

    asyncio.run(run())
