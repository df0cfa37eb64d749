"""Allowed reads are remembered for their minute, exactly, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from munjigi.kernel.clock import SECOND
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.pending import VALIDITY, PendingReads

KIM = (EmployeeKey("i", "cs.kim"), "crm-desk")
LEE = (EmployeeKey("i", "cs.lee"), "crm-desk")


@given(st.lists(st.tuples(st.integers(1, 9000), st.booleans()), max_size=60))
def test_every_allowed_read_is_found_and_nothing_else(steps: list[tuple[int, bool]]) -> None:
    pending, index, allowed = PendingReads(), 0, {}
    for gap, kim in steps:
        index += gap
        caller = KIM if kim else LEE
        pending.add(index, VALIDITY + index, pending.read_of(*caller, f"crm.t{gap % 3}", "inquiry"))
        allowed[index] = (caller[0].subject, f"crm.t{gap % 3}", VALIDITY + index)
    for at in {*allowed, *(at + 1 for at in allowed), 0}:
        read = pending.get(at)
        assert (None if read is None else (read.subject, read.resource, read.valid_until)) == allowed.get(at)


def test_the_first_confirmation_is_kept() -> None:
    pending = PendingReads()
    pending.add(7, VALIDITY, pending.read_of(*KIM, "crm.member", "inquiry"))
    assert pending.get(7).confirmed_at is None
    pending.confirm(7, 0)
    assert pending.get(7).confirmed_at == 0


def test_what_ran_out_is_forgotten_and_memory_stays_flat() -> None:
    pending = PendingReads()
    for index in range(0, 4_000_000, 100):
        pending.add(index, index * SECOND // 1000 + VALIDITY, pending.read_of(*KIM, "crm.member", "inquiry"))
    assert pending.get(0) is None
    assert pending.get(3_999_900) is not None
    assert len(pending._chunks) < 40
