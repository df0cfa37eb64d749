"""Locks grow, end by time, and are never anybody else's; memory is bounded and can't be used to undo a lock."""

from __future__ import annotations

import pytest
from identity.kit import NOW, claims, sign

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ResourceExhausted
from munjigi.rpc.lockouts import FAILURES_PER_PERIOD, LONGEST_WAIT, PERIOD, Lockouts, door_of


def wait(lockouts: Lockouts, door: str, now: int) -> float:
    """Return the seconds that the door is locked for, 0 when it may pass."""
    try:
        lockouts.refuse(door, now)
    except ResourceExhausted as error:
        return error.retry_after
    return 0


def lock(lockouts: Lockouts, door: str, now: int = NOW) -> None:
    while not wait(lockouts, door, now):
        lockouts.failed(door, now)


def test_a_door_that_keeps_failing_is_locked_ever_longer_up_to_a_quarter_of_an_hour():
    lockouts, now = Lockouts(), NOW
    for _ in range(FAILURES_PER_PERIOD):
        assert lockouts.failed("a", now) is None
        assert wait(lockouts, "a", now) == 0
    waits = []
    for number in range(12):
        begins = lockouts.failed("a", now)
        assert begins is not None
        assert begins.failures == FAILURES_PER_PERIOD + number + 1
        waits.append(wait(lockouts, "a", now))
        assert begins.until == now + int(waits[-1] * SECOND)
        now = begins.until
        assert wait(lockouts, "a", now - 1) > 0
        assert wait(lockouts, "a", now) == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert wait(lockouts, "b", now) == 0


def test_a_minute_without_failures_is_forgiven_and_a_long_lock_later():
    lockouts = Lockouts(limit=2)
    lock(lockouts, "a")
    later = NOW + 60 * SECOND
    assert lockouts.failed("a", later) is None
    assert lockouts.failed("a", later) is None
    assert lockouts.failed("a", later) is not None
    now = later
    for _ in range(7):
        now += int(wait(lockouts, "a", now) * SECOND)
        if not lockouts.failed("a", now):
            lockouts.failed("a", now)
    assert wait(lockouts, "a", now) == 128
    assert lockouts.failed("a", now + 255 * SECOND) is not None  # not forgotten yet: the first try locks it again


def test_few_failures_spread_out_never_lock():
    lockouts = Lockouts()
    for number in range(200):
        assert lockouts.failed("a", NOW + number * SECOND) is None


def test_a_clock_that_steps_back_does_not_lock_for_ever():
    lockouts = Lockouts(limit=1)
    lock(lockouts, "a")
    assert 0 < wait(lockouts, "a", NOW - 3600 * SECOND) <= LONGEST_WAIT / SECOND


def test_failures_that_vary_fill_no_memory_and_push_no_lock_out():
    lockouts = Lockouts(limit=2, capacity=50)
    lock(lockouts, "locked")
    for number in range(1000):
        lockouts.failed(f"door {number}", NOW + number % PERIOD)
    assert len(lockouts) == 51
    assert wait(lockouts, "locked", NOW) == 1


def test_a_door_is_where_it_comes_from_and_whose_the_token_says_to_be():
    kim, again, lee = sign(), sign(claims(jti="2")), sign(claims(sub="cs.lee"))
    assert door_of("192.0.2.7", "crm-desk", kim) == door_of("192.0.2.7", "crm-desk", again)
    doors = {
        door_of(source, tool, token)
        for source in ("192.0.2.7", "192.0.2.8")
        for tool in ("crm-desk", "")
        for token in (kim, lee, sign(claims(iss="https://other.example.com/")), "", "a.b", "x" * 10_000, "a.!.c", "a.e30.c")
    }
    assert len(doors) == 4 * 4  # whatever names nobody shares one
    assert all("kim" not in door for door in doors)


def test_p5_the_refusal_says_nothing_of_who_failed():
    lockouts = Lockouts(limit=1)
    lock(lockouts, "192.0.2.7")
    with pytest.raises(ResourceExhausted) as caught:
        lockouts.refuse("192.0.2.7", NOW)
    assert caught.value.reason == "TOO_MANY_FAILURES"
    assert "192" not in caught.value.message
