"""What every store of leases must do; `SharedStateStoreConformance` includes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from munjigi.grants.ports import DutyRow, LeaseRow

FIRST = LeaseRow("a" * 20, 0, 2**61, 3_000_000_000)
SECOND = LeaseRow("b" * 20, 2**40, 1, 500_000_000)


class LeaseStoreConformance:
    def test_a_lease_is_replaced_by_its_renewal_and_seen_by_everybody(self, open_store: Callable[[], Any], store: Any) -> None:
        other = open_store()
        try:
            assert store.leases().rows == ()
            store.renew_lease(SECOND)
            assert other.renew_lease(FIRST).rows == (FIRST, SECOND)
            renewed = FIRST._replace(applied=7, renewal=5)
            assert other.renew_lease(renewed).rows == store.leases().rows == (renewed, SECOND)
        finally:
            other.close()

    def test_a_lease_that_was_renewed_meanwhile_stays(self, store: Any) -> None:
        renewed = FIRST._replace(renewal=6)
        store.renew_lease(FIRST)
        store.renew_lease(renewed)
        store.end_lease(FIRST)
        assert store.leases().rows == (renewed,)
        store.end_lease(renewed)
        store.end_lease(renewed)
        assert store.leases().rows == ()

    def test_p8_a_renewal_comes_back_with_what_was_committed_before_it(self, store: Any) -> None:
        before = time.time_ns()
        leases = store.renew_lease(FIRST)
        assert leases.grant_revision == store.revision()
        # A database on another machine may have a clock that is a little off.
        assert before - 60_000_000_000 < leases.now < time.time_ns() + 60_000_000_000

    def test_a_duty_is_replaced_only_by_who_knows_who_has_it(self, open_store: Callable[[], Any], store: Any) -> None:
        other = open_store()
        first = DutyRow("scheduler", "one", 1, 2**61, 3_000_000_000)
        try:
            assert store.duty("scheduler") is None
            assert store.replace_duty(first, None) == first
            assert other.duty("scheduler") == first
            renewed, taken = first._replace(renewal=5), DutyRow("scheduler", "two", 2, 7, 3_000_000_000)
            assert store.replace_duty(renewed, first) == renewed
            assert other.replace_duty(taken, first) == renewed  # it was renewed meanwhile
            assert other.replace_duty(taken, None) == renewed
            assert other.replace_duty(taken, renewed) == taken
            assert store.replace_duty(renewed._replace(renewal=6), renewed) == taken
            assert store.duty("another") is None
        finally:
            other.close()
