"""Who does what is done once: one at a time, taken over when its lease has run out, by a higher number. Real store, a clock that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from doubles.metrics import MemorySink
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.duty import Duty
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import Unavailable
from munjigi.monitoring.meter import Meter

LENGTH = 3.0
BEYOND = int(LENGTH * 1.1 * SECOND) + 1


class Hand:
    def __init__(self) -> None:
        self.time = 0

    def __call__(self) -> int:
        return self.time


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStateStore]:
    with closing(SqliteStateStore(tmp_path / "state.sqlite")) as found:
        found.migrate()
        yield found


@pytest.fixture
def make(store: SqliteStateStore, clock: Hand) -> Callable[[], Duty]:
    return lambda: Duty(lambda: store, LENGTH, Meter(MemorySink()), monotonic=clock)  # type: ignore[arg-type]


def test_one_has_it_as_long_as_it_renews(make: Callable[[], Duty], clock: Hand):
    one, two = make(), make()
    for _ in range(20):
        one.turn()
        two.turn()
        assert (one.fence, two.fence) == (1, 0)
        clock.time += SECOND


def test_who_is_paused_sees_by_its_own_clock_that_it_may_write_no_more_before_another_takes_over(
    make: Callable[[], Duty], clock: Hand
):
    one, two = make(), make()
    one.turn()
    two.turn()
    clock.time += int(LENGTH * SECOND)
    assert one.fence == 0
    two.turn()
    assert two.fence == 0  # a tenth longer, for clocks that run unevenly
    clock.time += BEYOND
    two.turn()
    assert (one.fence, two.fence) == (0, 2)
    one.turn()
    assert (one.fence, two.fence) == (0, 2)
    clock.time += BEYOND  # now the second is paused
    one.turn()
    clock.time += BEYOND
    one.turn()
    assert (one.fence, two.fence) == (3, 0)


def test_who_was_away_and_whom_nobody_replaced_goes_on_under_its_number(make: Callable[[], Duty], clock: Hand):
    one = make()
    one.turn()
    clock.time += 10 * BEYOND
    assert one.fence == 0
    one.turn()
    assert one.fence == 1


def test_who_leaves_is_replaced_at_once(make: Callable[[], Duty]):
    one, two = make(), make()
    one.turn()
    two.turn()
    one.end()
    assert one.fence == 0
    two.turn()
    two.turn()
    assert two.fence == 2
    one.turn()
    assert one.fence == 0


def test_a_renewal_whose_answer_was_lost_is_no_take_over(store: SqliteStateStore, clock: Hand):
    class Lossy:
        duty = store.duty
        lose = False

        def replace_duty(self, row: object, over: object) -> object:
            found = store.replace_duty(row, over)  # type: ignore[arg-type]
            if self.lose:
                raise Unavailable("STATE_UNREACHABLE", "lost")
            return found

    lossy = Lossy()
    one = Duty(lambda: lossy, LENGTH, Meter(MemorySink()), monotonic=clock)  # type: ignore[arg-type, return-value]
    one.turn()
    lossy.lose = True
    with pytest.raises(Unavailable):
        one.turn()
    lossy.lose = False
    one.turn()
    clock.time += SECOND
    one.turn()
    assert one.fence == 1
