"""A lease has run out for its owner before it has for anybody who waits for it (promise P8)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from munjigi.app.lease import Others, OwnLease
from munjigi.grants.ports import LeaseRow

LENGTH = 1000
ROW = LeaseRow("a" * 20, 4, 1, LENGTH)


def test_a_lease_counts_from_before_the_renewal_was_sent() -> None:
    own = OwnLease(LENGTH)
    assert not own.holds(0)
    assert own.renewed(100, 900, 4, 4)
    assert own.holds(1099)
    assert not own.holds(1100)
    assert not own.renewed(2000, 3000, 4, 4)  # it came back after it had run out


def test_p8_a_lease_that_ran_out_holds_again_only_with_everything_applied() -> None:
    own = OwnLease(LENGTH)
    assert own.renewed(0, 10, 4, 4)
    assert own.renewed(500, 600, 4, 9)  # others wait for this worker: it is told of no revision before it applied it
    assert not own.renewed(1600, 1610, 8, 9)
    assert not own.holds(1611)
    assert own.renewed(1620, 1630, 9, 9)


def test_p8_a_lease_that_ran_out_holds_again_although_others_write_all_the_time() -> None:
    own = OwnLease(LENGTH)
    assert not own.renewed(0, 10, 4, 9)
    assert not own.renewed(500, 510, 8, 40)
    assert own.renewed(900, 910, 9, 70)  # what came after 9 waits for the claim that was seen since then
    assert own.holds(1899)
    assert not own.renewed(1900, 1910, 69, 71)  # nobody waited since 1900
    assert not own.renewed(2910, 2920, 71, 72)  # the claim had run out again
    assert own.renewed(3000, 3010, 72, 99)


def test_a_worker_that_is_not_renewed_is_waited_for_a_tenth_longer_than_its_lease() -> None:
    others = Others()
    others.see([ROW], 10_000)
    for now in (10_001, 10_000 + LENGTH + LENGTH // 10):
        assert others.behind(5, now) == [ROW]
        assert others.behind(4, now) == []
    assert others.behind(5, 10_000 + LENGTH + LENGTH // 10 + 1) == []
    assert others.run_out(12_000) == 1
    others.see([ROW._replace(renewal=2)], 12_000)
    assert others.behind(5, 12_001) == [ROW._replace(renewal=2)]
    assert others.gone(12_000 + 21 * LENGTH) == [ROW._replace(renewal=2)]
    others.see([], 12_002)
    assert others.behind(5, 12_003) == []


@given(
    sent=st.integers(0, 5000),
    travels=st.integers(0, 3000),
    seen_after=st.integers(0, 3000),
    rate=st.floats(0.92, 1.08),
    asked_after=st.integers(0, 10_000),
)
def test_p8_who_waits_counts_longer_than_the_owner(
    sent: int, travels: int, seen_after: int, rate: float, asked_after: int
) -> None:
    """`rate`: how many ticks of the waiter's clock pass while the owner's ticks once."""
    own, others = OwnLease(LENGTH), Others()
    own.renewed(sent, sent + travels, 4, 4)
    seen = sent + seen_after  # the row can't be seen before it was sent
    others.see([ROW], int(seen * rate))
    now = seen + asked_after
    if not others.behind(5, int(now * rate) - 1):
        assert not own.holds(now)
