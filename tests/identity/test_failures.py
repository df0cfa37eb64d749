"""Bad credentials are counted, recorded and slowed down; time is injected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity.kit import NOW

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ResourceExhausted
from munjigi.rpc.failures import FAILURES_PER_PERIOD, LONGEST_WAIT, PERIOD, RECORDS_AT_ONCE, Failures


def wait(failures: Failures, source: str, now: int) -> float:
    """Return the seconds that the source must wait, 0 when it may pass."""
    try:
        failures.refuse(source, now)
    except ResourceExhausted as error:
        return error.retry_after
    return 0


def test_the_first_is_recorded_at_once_and_the_rest_every_ten_seconds():
    failures = Failures()
    first = failures.note("192.0.2.7", "TOKEN_EXPIRED", NOW)
    assert first is not None
    assert (first.reason, first.peer, first.count, first.period_ns) == ("TOKEN_EXPIRED", "192.0.2.7", 1, 0)
    for number in range(5):
        assert failures.note("192.0.2.7", "TOKEN_EXPIRED", NOW + number) is None
    assert failures.note("192.0.2.7", "TOKEN_SIGNATURE", NOW) is not None
    assert failures.due(NOW + PERIOD - 1) == []
    (late,) = failures.due(NOW + PERIOD)
    assert (late.reason, late.peer, late.count, late.period_ns) == ("TOKEN_EXPIRED", "192.0.2.7", 5, PERIOD)
    assert failures.note("192.0.2.7", "TOKEN_EXPIRED", NOW + PERIOD + 1) is None  # it goes on: still an aggregate
    assert [record.count for record in failures.due(NOW + 2 * PERIOD)] == [1]
    assert failures.due(NOW + 3 * PERIOD) == []
    assert failures.note("192.0.2.7", "TOKEN_EXPIRED", NOW + 3 * PERIOD) is not None  # it had stopped


def test_nothing_counted_is_lost_at_the_end():
    failures = Failures()
    for _ in range(3):
        failures.note("192.0.2.7", "TOKEN_EXPIRED", NOW)
    assert [record.count for record in failures.drain(NOW + 1)] == [2]
    assert failures.drain(NOW + 1) == []


def test_a_source_that_keeps_failing_waits_ever_longer_up_to_thirty_seconds():
    failures, now = Failures(), NOW
    for _ in range(FAILURES_PER_PERIOD):
        failures.note("192.0.2.7", "TOKEN_SIGNATURE", now)
        assert wait(failures, "192.0.2.7", now) == 0
    waits = []
    for _ in range(8):
        failures.note("192.0.2.7", "TOKEN_SIGNATURE", now)
        waits.append(wait(failures, "192.0.2.7", now))
        now += int(waits[-1] * SECOND)
        assert wait(failures, "192.0.2.7", now - 1) > 0
        assert wait(failures, "192.0.2.7", now) == 0
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert wait(failures, "192.0.2.8", now) == 0


def test_a_minute_without_failures_is_forgiven():
    failures = Failures(limit=2)
    for _ in range(3):
        failures.note("a", "TOKEN_SIGNATURE", NOW)
    assert wait(failures, "a", NOW) == 1
    later = NOW + 60 * SECOND
    failures.note("a", "TOKEN_SIGNATURE", later)
    failures.note("a", "TOKEN_SIGNATURE", later)
    assert wait(failures, "a", later) == 0
    failures.note("a", "TOKEN_SIGNATURE", later)
    assert wait(failures, "a", later) == 1


def test_few_failures_spread_out_are_never_slowed_down():
    failures = Failures()
    for number in range(200):
        now = NOW + number * SECOND
        failures.note("a", "TOKEN_EXPIRED", now)
        assert wait(failures, "a", now) == 0


def test_refusals_for_too_many_are_counted_and_slow_nothing_further():
    failures = Failures(limit=1)
    failures.note("a", "TOKEN_SIGNATURE", NOW)
    failures.note("a", "TOKEN_SIGNATURE", NOW)
    for _ in range(100):
        failures.note("a", "TOO_MANY_FAILURES", NOW)
    assert wait(failures, "a", NOW) == 1
    assert {record.reason: record.count for record in failures.due(NOW + PERIOD)} == {
        "TOKEN_SIGNATURE": 1,
        "TOO_MANY_FAILURES": 99,
    }


def test_a_clock_that_steps_back_does_not_block_for_ever():
    failures = Failures(limit=1)
    failures.note("a", "TOKEN_SIGNATURE", NOW)
    failures.note("a", "TOKEN_SIGNATURE", NOW)
    assert wait(failures, "a", NOW - 3600 * SECOND) <= LONGEST_WAIT / SECOND
    assert failures.due(NOW - 3600 * SECOND)  # told, not held back until the clock is there again


def test_many_addresses_fill_neither_memory_nor_the_journal_and_none_is_lost():
    failures = Failures(capacity=50)
    at_once = sum(failures.note(f"198.51.100.{number}", "TOKEN_SIGNATURE", NOW) is not None for number in range(250))
    assert at_once == RECORDS_AT_ONCE
    assert len(failures._sources) == len(failures._tallies) == 50
    late = failures.due(NOW + PERIOD)
    assert at_once + sum(record.count for record in late) == 250
    assert [record.count for record in late if record.peer == "many"] == [100]


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["TOKEN_EXPIRED", "TOKEN_SIGNATURE"]), st.integers(0, 4 * SECOND)),
        max_size=80,
    )
)
def test_every_failure_is_in_exactly_one_record(events):
    failures, now, recorded = Failures(capacity=2), NOW, 0
    for address, why, step in events:
        now += step
        recorded += failures.note(address, why, now) is not None
        recorded += sum(record.count for record in failures.due(now))
    recorded += sum(record.count for record in failures.drain(now))
    assert recorded == len(events)


def test_p5_the_refusal_says_nothing_of_who_failed():
    failures = Failures(limit=1)
    for _ in range(3):
        failures.note("192.0.2.7", "TOKEN_SIGNATURE", NOW)
    with pytest.raises(ResourceExhausted) as caught:
        failures.refuse("192.0.2.7", NOW)
    assert caught.value.reason == "TOO_MANY_FAILURES"
    assert "192" not in caught.value.message
