"""Bad credentials are counted, recorded and slowed down; time is injected."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from identity.kit import NOW

from munjigi.audit.records import SignInRecord
from munjigi.kernel.clock import SECOND
from munjigi.rpc.failures import RECORDS_AT_ONCE, Failures
from munjigi.rpc.lockouts import PERIOD


def note(failures: Failures, *arguments: object, **named: object) -> SignInRecord | None:
    """Count a failure; return the record of it, if there is one at once."""
    return next((each for each in failures.note(*arguments, **named) if isinstance(each, SignInRecord)), None)


def test_the_first_is_recorded_at_once_and_the_rest_every_ten_seconds():
    failures = Failures()
    first = note(failures, "192.0.2.7", "TOKEN_EXPIRED", NOW)
    assert first is not None
    assert (first.reason, first.peer, first.count, first.period_ns) == ("TOKEN_EXPIRED", "192.0.2.7", 1, 0)
    for number in range(5):
        assert note(failures, "192.0.2.7", "TOKEN_EXPIRED", NOW + number) is None
    assert note(failures, "192.0.2.7", "TOKEN_SIGNATURE", NOW) is not None
    assert failures.due(NOW + PERIOD - 1) == []
    (late,) = failures.due(NOW + PERIOD)
    assert (late.reason, late.peer, late.count, late.period_ns) == ("TOKEN_EXPIRED", "192.0.2.7", 5, PERIOD)
    assert note(failures, "192.0.2.7", "TOKEN_EXPIRED", NOW + PERIOD + 1) is None  # it goes on: still an aggregate
    assert [record.count for record in failures.due(NOW + 2 * PERIOD)] == [1]
    assert failures.due(NOW + 3 * PERIOD) == []
    assert note(failures, "192.0.2.7", "TOKEN_EXPIRED", NOW + 3 * PERIOD) is not None  # it had stopped


def test_nothing_counted_is_lost_at_the_end():
    failures = Failures()
    for _ in range(3):
        note(failures, "192.0.2.7", "TOKEN_EXPIRED", NOW)
    assert [record.count for record in failures.drain(NOW + 1)] == [2]
    assert failures.drain(NOW + 1) == []


def test_many_addresses_fill_neither_memory_nor_the_journal_and_none_is_lost():
    failures = Failures(capacity=50)
    at_once = sum(note(failures, f"198.51.100.{number}", "TOKEN_SIGNATURE", NOW) is not None for number in range(250))
    assert at_once == RECORDS_AT_ONCE
    assert len(failures._lockouts) == len(failures._tallies) == 50
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
        recorded += note(failures, address, why, now) is not None
        recorded += sum(record.count for record in failures.due(now))
    recorded += sum(record.count for record in failures.drain(now))
    assert recorded == len(events)
