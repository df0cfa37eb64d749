"""Long work on the event loop, in slices, so that the calls beside it don't wait for all of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator
from typing import Final, TypeAlias, TypeVar

SLICE_SECONDS: Final = 0.005
T = TypeVar("T")
Answer: TypeAlias = T | Awaitable[T]


def in_slices(steps: Iterator[None], answer: T) -> Answer[T]:
    """Run `steps`, which fill `answer`, and return it: at once when a slice suffices, else to be awaited."""
    return answer if _run(steps) else _go_on(steps, answer)


async def _go_on(steps: Iterator[None], answer: T) -> T:
    while True:
        await asyncio.sleep(0)
        if _run(steps):
            return answer


def _run(steps: Iterator[None]) -> bool:
    """Run for one slice; tell whether nothing is left."""
    now = time.perf_counter
    until = now() + SLICE_SECONDS
    for _ in steps:  # noqa: SIM110 -- `all` of a generator switches frames once more at each step
        if now() >= until:
            return False
    return True
