"""D12: beyond 512 patterns pycasbin compiles on every call, and a pattern can hang it. Ours are compiled once, in linear time."""

from __future__ import annotations

import time

import pytest
from defects.support import engine, model, refusals

TEXT = model("regexMatch(r.obj, p.obj) && r.sub == p.sub", g=())


def cost(patterns):
    """Return the least of several times to decide with that many patterns, in ns a pattern."""
    ours = engine(TEXT, "".join(f"p, alice, ^/item{n}/[0-9]+$, read\n" for n in range(patterns)))
    best = float("inf")
    for _ in range(15):
        started = time.perf_counter_ns()
        assert ours.enforce(("alice", f"/item{patterns - 1}/7", "read"))
        assert not ours.enforce(("alice", "/item/7", "read"))
        best = min(best, time.perf_counter_ns() - started)
    return best / patterns


@pytest.mark.no_cover  # the tracer's time is not ours
def test_d12_no_cliff_after_512_patterns():
    # pycasbin's cost of a pattern grows tenfold here.
    assert cost(2_000) < 3 * cost(400)


@pytest.mark.parametrize("pattern", ["(?=a)b", "(a)\\1", "(?<!a)b", "(", "*", "[b-a]"])
def test_d12_a_pattern_that_no_linear_engine_takes_is_refused_at_load(pattern):
    place = refusals(TEXT, f'p, alice, fine, read\np, alice, "{pattern}", read\n')
    assert place[0][:2] == ("policy.csv", 2)


def test_d12_a_pattern_that_hangs_others_is_quick():
    ours = engine(TEXT, "p, alice, (a+)+$, read\n")
    started = time.monotonic()
    assert not ours.enforce(("alice", "a" * 30_000 + "b", "read"))
    assert time.monotonic() - started < 1
