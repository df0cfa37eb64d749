"""Per-tool rates."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ResourceExhausted
from munjigi.policy.types import Tool
from munjigi.rpc.rates import Rates


def tool(rate: int) -> Tool:
    return cast("Tool", SimpleNamespace(name="t", checks_per_second=rate))


def test_no_limit_is_no_limit() -> None:
    rates = Rates()
    for _ in range(10_000):
        rates.take(tool(0), 1000, 0)
        rates.take(None, 1000, 0)


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(-SECOND, 3 * SECOND), st.integers(1, 80)), max_size=60))
def test_over_any_time_no_more_passes_than_the_rate_allows(rate: int, steps: list[tuple[int, int]]) -> None:
    rates, now, latest, passed = Rates(), SECOND * 100, SECOND * 100, 0
    begin = now
    for step, count in steps:
        now += step
        latest = max(latest, now)
        with suppress(ResourceExhausted):
            rates.take(tool(rate), count, now)
            passed += count
        # One bucket, what flowed in, and at most one batch on credit.
        assert passed <= rate + rate * (latest - begin) / SECOND + 80


def test_the_wait_that_is_told_is_enough() -> None:
    rates, now = Rates(), 0
    rates.take(tool(10), 10, now)
    with pytest.raises(ResourceExhausted) as refused:
        rates.take(tool(10), 1, now)
    rates.take(tool(10), 1, now + int(refused.value.retry_after * SECOND) + 1)
