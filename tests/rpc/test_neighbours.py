"""What the workers of a host may, they may together: limits hold in sum and go to whoever needs them, failures add up, sessions are one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.adapters.board import Board
from munjigi.audit.records import LockoutRecord
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ConfigurationError, ResourceExhausted
from munjigi.kernel.neighbours import Seen, digest_of
from munjigi.policy.types import Tool
from munjigi.rpc.failures import Failures
from munjigi.rpc.floods import Floods
from munjigi.rpc.lockouts import FAILURES_PER_PERIOD
from munjigi.rpc.rates import Rates

NOW = 1_800_000_000 * SECOND
MILLI = SECOND // 1000


def tool(rate: int, name: str = "crm-desk") -> Tool:
    return cast("Tool", SimpleNamespace(name=name, checks_per_second=rate))


class Host:
    """Some workers of one host, as far as they know of each other; their clock is told, and ticks as a worker does."""

    def __init__(self, folder: Path, workers: int, rate: int) -> None:
        self.tool = tool(rate)
        self.boards = [Board(folder / "board", slot, workers) for slot in range(workers)]
        self.rates = [Rates(board, workers) for board in self.boards]
        self.now = self.ticked = NOW
        self.tick()

    def tick(self) -> None:
        for each in self.rates:
            each.look([self.tool], self.now)
        self.ticked = self.now

    def pass_time(self, nanoseconds: int) -> None:
        ends = self.now + nanoseconds
        while ends - self.ticked >= SECOND:
            self.now = self.ticked + SECOND
            self.tick()
        self.now = ends

    def ask(self, worker: int, count: int = 1) -> bool:
        with suppress(ResourceExhausted):
            self.rates[worker].take(self.tool, count, self.now)
            return True
        return False


@pytest.mark.parametrize("workers", [2, 5])
def test_a_tool_with_all_its_connections_on_one_worker_has_its_whole_limit(tmp_path: Path, workers: int) -> None:
    host, passed = Host(tmp_path, workers, 100), 0
    for _ in range(10_000):
        passed += host.ask(1)
        host.pass_time(MILLI)
    assert 1000 + 100 - workers <= passed <= 1000 + 100


@pytest.mark.parametrize("workers", [2, 5])
def test_at_all_workers_together_it_has_no_more_and_none_of_them_starves(tmp_path: Path, workers: int) -> None:
    host, passed = Host(tmp_path, workers, 100), [0] * workers
    for _ in range(10_000):
        for worker in range(workers):
            passed[worker] += host.ask(worker)
        host.pass_time(MILLI)
    assert 1000 <= sum(passed) <= 1000 + 100
    # From one worker to another the limit goes at once.
    before = sum(passed)
    for _ in range(10_000):
        before += host.ask(workers - 1)
        host.pass_time(MILLI)
    assert 2000 - workers <= before <= 2000 + 100


@given(
    rate=st.integers(1, 50),
    workers=st.integers(1, 4),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3 * SECOND), st.integers(1, 80)), max_size=60),
)
def test_over_any_time_no_more_passes_anywhere_than_the_rate_allows(
    tmp_path_factory: pytest.TempPathFactory, rate: int, workers: int, steps: list[tuple[int, int, int]]
) -> None:
    host, passed = Host(tmp_path_factory.mktemp("board"), workers, rate), 0
    for worker, step, count in steps:
        host.pass_time(step)
        passed += count * host.ask(worker % workers, count)
        # One bucket, what flowed in, and at most one batch on credit.
        assert passed <= rate + rate * (host.now - NOW) / SECOND + 80


def test_a_worker_that_is_started_again_begins_with_nothing_and_one_that_was_paused_soon_has_its_part(tmp_path: Path) -> None:
    host = Host(tmp_path, 2, 100)
    passed = sum(host.ask(0) for _ in range(200))
    assert passed == 99
    host.boards[0] = Board(tmp_path / "board", 0, 2)
    host.rates[0] = Rates(host.boards[0], 2)
    host.tick()
    assert not host.ask(0)
    host.pass_time(SECOND // 10)
    assert host.ask(0)
    # The second one stands still for ten seconds, in which the first uses all that there is.
    paused = host.rates.pop(1)
    for _ in range(10_000):
        host.ask(0)
        host.pass_time(MILLI)
    host.rates.append(paused)
    host.pass_time(SECOND)
    assert host.ask(1)


def test_a_flood_at_two_workers_has_records_as_one_has(tmp_path: Path) -> None:
    both = [Floods(50, lambda _: None, Board(tmp_path / "board", slot, 2), 2) for slot in range(2)]
    own = sum(not both[turn % 2].counted("crm-desk", "NO_GRANT", NOW + turn * MILLI) for turn in range(1000))
    assert 90 <= own <= 100


def pair(folder: Path) -> list[Failures]:
    return [Failures(Board(folder / "board", slot, 2)) for slot in range(2)]


def refused(failures: Failures, now: int, door: str = "192.0.2.7") -> bool:
    try:
        failures.refuse(door, now)
    except ResourceExhausted:
        return True
    return False


def test_failures_at_two_workers_add_up_and_the_lock_holds_at_both_at_once(tmp_path: Path) -> None:
    both, locks = pair(tmp_path), []
    for number in range(FAILURES_PER_PERIOD + 1):
        assert not any(refused(each, NOW + number) for each in both)
        found = both[number % 2].note("192.0.2.7", "TOKEN_SIGNATURE", NOW + number)
        locks += [each for each in found if isinstance(each, LockoutRecord)]
    (lock,) = locks  # recorded once
    assert lock.count == FAILURES_PER_PERIOD + 1
    for each in both:
        assert refused(each, lock.locked_until - 1)
        assert not refused(each, lock.locked_until)
        assert not refused(each, NOW + 100, "192.0.2.8")
    # The next failure locks for twice as long, wherever it is.
    (again,) = (
        each for each in both[1].note("192.0.2.7", "TOKEN_SIGNATURE", lock.locked_until) if isinstance(each, LockoutRecord)
    )
    assert again.locked_until - lock.locked_until == 2 * SECOND
    assert refused(both[0], again.locked_until - 1)


def test_a_lock_outlives_the_worker_that_made_it(tmp_path: Path) -> None:
    both = pair(tmp_path)
    for number in range(FAILURES_PER_PERIOD + 1):
        both[0].note("192.0.2.7", "TOKEN_SIGNATURE", NOW + number)
    (after,) = (Failures(Board(tmp_path / "board", slot, 2)) for slot in range(1))
    assert refused(after, NOW + SECOND // 2)
    assert not refused(after, NOW + 3 * SECOND)


def test_more_failures_than_the_board_holds_are_heard_as_far_as_it_does(tmp_path: Path) -> None:
    both = pair(tmp_path)
    for number in range(10_000):
        both[0].note("192.0.2.7", "TOKEN_SIGNATURE", NOW + number, door=f"door {number}")
    for number in range(FAILURES_PER_PERIOD + 1):
        both[0].note("192.0.2.7", "TOKEN_SIGNATURE", NOW + 10_000 + number, door="last")
    assert refused(both[1], NOW + 20_000, "last")


def test_a_session_is_known_to_all_and_many_of_them_push_out_those_that_were_not_used_for_longest(tmp_path: Path) -> None:
    one, two = (Board(tmp_path / "board", slot, 2) for slot in range(2))
    session = digest_of("issuer", "cs.kim", "s1")
    assert one.seen(session) == two.seen(session) == Seen(0, 0)
    one.note(session, Seen(NOW, 5))
    two.note(session, Seen(NOW + 7, 3))
    assert one.seen(session) == two.seen(session) == Seen(NOW + 7, 5)
    for number in range(40_000):
        one.note(digest_of("issuer", "somebody", f"{number}"), Seen(NOW + SECOND + number, 1))
    known = [
        one.seen(digest_of("issuer", "somebody", f"{number}")).last == NOW + SECOND + number for number in range(39_000, 40_000)
    ]
    assert sum(known) > 900
    assert two.seen(session).last == NOW + 7  # what another has noted stays


def test_the_board_is_private_and_as_large_as_it_will_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Board(tmp_path / "board", 0, 2)
    about = (tmp_path / "board").stat()
    assert stat.S_IMODE(about.st_mode) == 0o600
    assert about.st_blocks * 512 >= about.st_size

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if hasattr(os, "posix_fallocate"):
        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(ConfigurationError) as refused_:
            Board(tmp_path / "other", 0, 2)
        assert refused_.value.reason == "BOARD_UNUSABLE"


def test_names_beyond_its_room_share_what_they_may(tmp_path: Path) -> None:
    board = Board(tmp_path / "board", 0, 1)
    cells: list[Callable[[int], None]] = [board.cell(f"tool {number}").add for number in range(5000)]
    assert len(cells) == 5000
