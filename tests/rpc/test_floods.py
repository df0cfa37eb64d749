"""What is counted of a flood of denials, without a network: bounds, periods and sums."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.audit.records import DenialFloodRecord
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import AuditUnavailable
from munjigi.rpc.floods import Floods

NOW = 1_800_000_000 * SECOND


def refuse(_: DenialFloodRecord) -> int:
    raise AuditUnavailable("full")


def test_denials_up_to_the_bound_have_records_of_their_own_and_more_begin_a_period() -> None:
    begun: list[DenialFloodRecord] = []
    floods = Floods(3, begun.append)
    assert [floods.counted("desk", "NO_GRANT", NOW + n) for n in range(6)] == [False] * 3 + [True] * 3
    assert begun == [DenialFloodRecord(tool="desk", reason="NO_GRANT", count=0, first_at=NOW + 3, last_at=NOW + 3)]
    assert floods.end(NOW + 10) == [
        DenialFloodRecord(tool="desk", reason="NO_GRANT", count=3, period_ns=7, first_at=NOW + 3, last_at=NOW + 5)
    ]
    assert floods.end(NOW + 20) == []
    assert floods.counted("desk", "NO_GRANT", NOW + 30)  # the next one begins another period
    assert len(begun) == 2


def test_each_tool_and_reason_has_a_bound_of_its_own_that_a_second_fills() -> None:
    floods = Floods(1, lambda _: None)
    keys = [("desk", "NO_GRANT"), ("desk", "RULE_DENIES"), ("other", "NO_GRANT")]
    assert [floods.counted(*key, NOW) for key in keys] == [False] * 3
    assert [floods.counted(*key, NOW) for key in keys] == [True] * 3
    assert not floods.counted(*keys[0], NOW + SECOND)
    assert floods.counted(*keys[0], NOW)  # the clock was set back


def test_p1_what_cannot_begin_a_period_is_not_counted() -> None:
    floods = Floods(1, refuse)
    assert not floods.counted("desk", "NO_GRANT", NOW)
    with pytest.raises(AuditUnavailable):
        floods.counted("desk", "NO_GRANT", NOW)
    assert floods.end(NOW) == []


def test_without_a_bound_every_denial_has_its_record() -> None:
    floods = Floods(0, refuse)
    assert not any(floods.counted("desk", "NO_GRANT", NOW) for _ in range(10_000))


_steps = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["X", "Y"]), st.integers(-SECOND, SECOND)) | st.none())


@given(_steps, st.integers(1, 5))
def test_sums_are_exact_and_each_period_begins_before_its_first(steps: list[tuple[str, str, int] | None], bound: int) -> None:
    journal: list[DenialFloodRecord] = []
    floods = Floods(bound, journal.append)
    counted: Counter[tuple[str, str]] = Counter()
    now = NOW
    for step in [*steps, None]:
        if step is None:
            journal += floods.end(now)
            continue
        tool, reason, later = step
        now += later
        if floods.counted(tool, reason, now):
            counted[tool, reason] += 1
            last = [each for each in journal if (each.tool, each.reason) == (tool, reason)][-1]
            assert last.count == 0
    sums: Counter[tuple[str, str]] = Counter()
    for each in journal:
        sums[each.tool, each.reason] += each.count
        assert each.first_at <= each.last_at
        assert each.period_ns >= 0
    assert +sums == counted
    assert sum(each.count == 0 for each in journal) == sum(each.count > 0 for each in journal)
