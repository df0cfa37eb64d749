"""The outbox and the channel over it: nothing is lost, nothing is said twice, what can't be delivered is put aside and comes back."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from notices.kit import DAY, House, asking, made, notice, outbox_of

from doubles.metrics import MemorySink
from munjigi.adapters.notices.outbox import Outbox
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app import notice_channel
from munjigi.app.duty import SCHEDULER
from munjigi.app.notice_channel import NoticeChannel
from munjigi.app.notifier import first_since
from munjigi.audit.records import decode
from munjigi.grants.notices.letters import letters_of
from munjigi.grants.notices.ports import Channel, Errand, Letter, Outcome
from munjigi.grants.permission_log import PermissionLog
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import FailedPrecondition
from munjigi.monitoring.meter import Meter

NOW = 1_800_000_000 * SECOND
SENT = Outcome("sent")
AWAY = Outcome("away", "RECEIVER_UNREACHABLE")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStateStore]:
    with closing(SqliteStateStore(tmp_path / "state.sqlite")) as found:
        found.migrate()
        yield found


@pytest.fixture
def outbox(store: SqliteStateStore) -> Outbox:
    return outbox_of(store)


def post(*numbers: int, **other: object) -> list[tuple[Channel, Letter]]:
    return [letter for number in numbers for letter in letters_of(notice(number, **other), ("webhook",))]


def test_letters_and_cursor_come_in_together_or_not_at_all(outbox: Outbox):
    assert outbox.cursor("log") is None
    outbox.take(post(1, 2), now=NOW, log_id="log", next_index=7)
    assert outbox.cursor("log") == 7
    broken = [*post(3), ("webhook", Letter("x", None, None))]  # type: ignore[list-item]
    with pytest.raises(AttributeError):
        outbox.take(broken, now=NOW, log_id="log", next_index=9)
    assert outbox.cursor("log") == 7
    assert outbox.waiting("webhook").waiting == 2


def test_the_same_letter_waits_once_and_what_was_given_up_stays_so(outbox: Outbox):
    outbox.take(post(1), now=NOW)
    outbox.take(post(1), now=NOW)
    assert outbox.waiting("webhook").waiting == 1
    outbox.give_up("webhook", "STATUS_400", now=NOW, letter_id=post(1)[0][1].letter_id)
    outbox.take(post(1), now=NOW)
    assert outbox.waiting("webhook")[::2] == (0, 1)


def test_it_is_all_there_for_another_process(outbox: Outbox, tmp_path: Path):
    outbox.take(post(1), now=NOW, log_id="log", next_index=1)
    with closing(SqliteStateStore(tmp_path / "state.sqlite")) as store:
        other = outbox_of(store)
        (kept,) = other.due("webhook", NOW, 9)
        assert kept.letter.notice == notice(1)
        assert other.cursor("log") == 1


def test_who_has_lost_the_duty_moves_nothing_any_more_but_what_was_taken_is_taken(outbox: Outbox, store: SqliteStateStore):
    outbox.take(post(1, 2), now=NOW, log_id="log", next_index=2)
    row = store.duty(SCHEDULER)
    assert row is not None
    store.replace_duty(row._replace(fence=row.fence + 1), row)
    first, second = (letter.letter_id for _, letter in post(1, 2))
    for write in (
        lambda: outbox.take(post(3), now=NOW, log_id="log", next_index=1),
        lambda: outbox.say([(notice(4, until=NOW + DAY), post(4))], now=NOW),
        lambda: outbox.failed(first, "STATUS_400", NOW),
        lambda: outbox.give_up("webhook", "STATUS_400", now=NOW, letter_id=first),
    ):
        with pytest.raises(FailedPrecondition) as lost:
            write()
        assert lost.value.reason == "DUTY_LOST"
    outbox.sent([second])
    assert outbox.cursor("log") == 2
    assert [each.letter.letter_id for each in outbox.due("webhook", NOW, 9)] == [first]


def test_an_alarm_goes_first(outbox: Outbox):
    outbox.take(post(1, 2), now=NOW - SECOND)
    outbox.take(post(3, severity="critical"), now=NOW)
    assert [each.letter.notice.severity for each in outbox.due("webhook", NOW, 9)] == ["critical", "info", "info"]


def test_what_time_brought_about_is_said_once_and_forgotten_when_it_can_not_come_again(outbox: Outbox):
    said = notice(1, until=NOW + DAY)
    for _ in range(2):
        outbox.say([(said, letters_of(said, ("webhook",)))], now=NOW)
        outbox.sent([each.letter.letter_id for each in outbox.due("webhook", NOW, 9)])
    assert outbox.said(said.id)
    assert outbox.waiting("webhook").waiting == 0
    outbox.say([], now=NOW + 2 * DAY)
    assert not outbox.said(said.id)


class Carried:
    """A carrier that answers as it is told, by turns."""

    channel: Channel = "webhook"

    def __init__(self, *turns: Callable[[Letter], Outcome] | Outcome) -> None:
        self.turns = list(turns)
        self.sizes: list[int] = []

    async def carry(self, letters: Sequence[Letter], errand: Errand) -> None:
        self.sizes.append(len(letters))
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        for letter in letters:
            if errand.stands():
                errand.settle(letter, turn if isinstance(turn, Outcome) else turn(letter))

    async def close(self) -> None: ...


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> int:
        return self.time


class Held:
    """A duty that is held, until `fence` is set to something else."""

    def __init__(self, fence: int) -> None:
        self.fence = fence


def channel(outbox: Outbox, carrier: Carried, clock: Hand) -> tuple[NoticeChannel, MemorySink, Meter]:
    sink = MemorySink()
    meter = Meter(sink)
    held: Any = Held(outbox.fence)
    return NoticeChannel(carrier, outbox, held, meter, clock, 7 * DAY), sink, meter


def test_while_a_receiver_takes_nothing_it_is_asked_with_one_letter_and_then_gets_all(outbox: Outbox):
    outbox.take(post(*range(120)), now=NOW)
    carrier = Carried(AWAY, AWAY, AWAY, SENT)
    work, _, _ = channel(outbox, carrier, Hand())

    async def turns() -> list[float]:
        return [await work.turn() for _ in range(8)]

    pauses = asyncio.run(turns())
    assert carrier.sizes == [50, 1, 1, 1, 50, 50, 19]
    assert all(pause > 0 for pause in pauses[:3])
    assert pauses[3:7] == [0.0] * 4
    assert outbox.waiting("webhook") == (0, 0, 0)


def test_pauses_grow_by_full_jitter_up_to_a_bound(monkeypatch: pytest.MonkeyPatch):
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    monkeypatch.setattr(notice_channel.random, "uniform", uniform)
    assert [notice_channel._jittered(failures, 60.0) for failures in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert all(low == 0 for low, _ in drawn)


def test_a_receivers_wish_to_be_left_alone_counts(outbox: Outbox):
    outbox.take(post(1), now=NOW)
    work, _, _ = channel(outbox, Carried(Outcome("away", "STATUS_429", 90.0)), Hand())
    assert asyncio.run(work.turn()) >= 90


def test_a_letter_that_is_refused_is_tried_for_days_and_then_put_aside_while_others_go(outbox: Outbox):
    outbox.take(post(1, 2), now=NOW)
    clock = Hand()
    bad = post(1)[0][1].letter_id
    carrier = Carried(lambda letter: Outcome("later", "STATUS_400") if letter.letter_id == bad else SENT)
    work, sink, meter = channel(outbox, carrier, clock)
    asyncio.run(work.turn())
    assert outbox.waiting("webhook").waiting == 1
    name = "munjigi_notices_waiting"
    work._show()
    assert (sink.values[name, "webhook"], sink.values["munjigi_notices_waiting_since_timestamp_seconds", "webhook"]) == (
        1,
        NOW / 1e9,
    )
    tries = 1
    while outbox.waiting("webhook").waiting:
        clock.time += 6 * 3600 * SECOND
        asyncio.run(work.turn())
        tries += 1
    assert 7 * DAY <= clock.time - NOW < 8 * DAY
    assert tries <= 30
    (kept,) = outbox.letters(dead=True, limit=9)
    assert (kept.letter.letter_id, kept.reason) == (bad, "STATUS_400")
    meter.flush()
    assert sink.values["munjigi_notices_tried_total", "webhook", "later"] == tries
    work._show()
    assert (sink.values[name, "webhook"], sink.values["munjigi_notices_given_up", "webhook"]) == (0, 1)
    assert outbox.retry([], now=clock.time) == 1
    assert outbox.due("webhook", clock.time, 9)[0].tries == 0


def test_a_receiver_that_is_away_for_weeks_loses_nothing(outbox: Outbox):
    outbox.take(post(*range(200)), now=NOW)
    clock = Hand()
    carrier = Carried(AWAY)
    work, _, _ = channel(outbox, carrier, clock)
    for _ in range(15):
        asyncio.run(work.turn())
        clock.time += DAY
    assert outbox.waiting("webhook") == (0, 0, 200)
    outbox.take(post(500), now=clock.time)
    assert outbox.retry([], now=clock.time) == 200
    carrier.turns = [SENT]
    while outbox.waiting("webhook").waiting:
        asyncio.run(work.turn())
    assert outbox.waiting("webhook") == (0, 0, 0)


def test_never_is_put_aside_at_once(outbox: Outbox):
    outbox.take(post(1), now=NOW)
    work, _, _ = channel(outbox, Carried(Outcome("never", "NO_ADDRESS")), Hand())
    asyncio.run(work.turn())
    assert outbox.waiting("webhook") == (0, 0, 1)


def test_a_letter_that_was_taken_while_the_store_was_away_is_not_sent_again(outbox: Outbox, store: SqliteStateStore):
    outbox.take(post(1), now=NOW)
    carrier = Carried(SENT)
    work, _, _ = channel(outbox, carrier, Hand())
    with sqlite3.connect(store._engine.url.database or "", isolation_level=None) as other:

        def busy(_letter: Letter) -> Outcome:
            other.execute("BEGIN IMMEDIATE")
            return SENT

        carrier.turns = [busy]
        asyncio.run(work.turn())  # the store's patience runs out before the letter's end could be noted
        other.execute("ROLLBACK")
    assert outbox.waiting("webhook").waiting == 1
    asyncio.run(work.turn())
    assert outbox.waiting("webhook") == (0, 0, 0)
    assert carrier.sizes == [1]


def test_a_channel_without_the_duty_carries_nothing_and_stops_in_the_middle(outbox: Outbox):
    outbox.take(post(*range(5)), now=NOW)
    held: Any = Held(0)
    carrier = Carried(SENT)
    work = NoticeChannel(carrier, outbox, held, Meter(MemorySink()), Hand(), 7 * DAY)  # type: ignore[arg-type]
    asyncio.run(work.turn())
    assert carrier.sizes == []

    def lose(_letter: Letter) -> Outcome:
        held.fence = 0
        return SENT

    held.fence, carrier.turns = outbox.fence, [lose]
    asyncio.run(work.turn())
    assert outbox.waiting("webhook").waiting == 4


def test_the_first_record_to_tell_of_is_found_by_its_time(tmp_path: Path):
    house = House(tmp_path)
    try:
        began = time.time_ns()
        house.apply(*(made(asking(number, began)) for number in range(40)))
        log = PermissionLog(house.store)
        times = [decode(payload).time for _, payload in log.read(0, 1000)]
        for at in (0, times[0], times[0] + 1, began, times[-1], times[-1] + 1):
            assert first_since(log, at) == sum(time_ < at for time_ in times)
    finally:
        house.close()
