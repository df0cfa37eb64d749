"""Workers over one store: what a revision waits for until it is acknowledged (promise P8). Real store, clocks that are told."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from app.lease_kit import LENGTH, Disk, Home, Worker, keeper_at
from grants.conformance_state import ALICE, GRANT, put

from doubles.metrics import MemorySink
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.lease_keeper import LeaseKeeper
from munjigi.grants.changes import grant_added, grant_ended, person_changed
from munjigi.grants.ports import LeaseRow, Leases
from munjigi.kernel.clock import SECOND, SystemClock
from munjigi.kernel.errors import ConfigurationError, Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter


async def never() -> None:
    raise AssertionError


def play(path: Path, scene: Callable[[Worker, Worker, SqliteStateStore], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        with closing(SqliteStateStore(path)) as store:
            store.migrate()
            put(store, person_changed(ALICE), grant_added(GRANT))
            one, two = Worker(path, "a"), Worker(path, "b")
            try:
                await one.begin()
                await two.begin()
                await scene(one, two, store)
            finally:
                for each in (one, two):
                    await each.end()

    asyncio.run(asyncio.wait_for(run(), 60))


def revoke(store: SqliteStateStore) -> int:
    return put(store, grant_ended(replace(GRANT, ends_at=GRANT.starts_at)))


def test_p8_a_revision_is_acknowledged_when_every_worker_has_applied_it(tmp_path: Path) -> None:
    async def scene(one: Worker, two: Worker, store: SqliteStateStore) -> None:
        assert one.active
        assert two.active
        found = await one.keeper.wait_applied(revoke(store))
        assert not one.active
        assert not two.active
        assert found.run_out == 0

    play(tmp_path / "state.sqlite", scene)


def test_p8_what_was_decided_before_and_waits_for_its_sync_holds_the_acknowledgement_up(tmp_path: Path) -> None:
    async def scene(one: Worker, two: Worker, store: SqliteStateStore) -> None:
        two.disk.free.clear()
        waiting = asyncio.ensure_future(one.keeper.wait_applied(revoke(store)))
        while two.active:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert not waiting.done()
        two.disk.free.set()  # its answers are sent
        await waiting

    play(tmp_path / "state.sqlite", scene)


def test_p8_a_worker_that_hangs_is_waited_for_until_its_lease_has_run_out_and_then_answers_nothing(tmp_path: Path) -> None:
    async def scene(one: Worker, two: Worker, store: SqliteStateStore) -> None:
        await two.pause()
        found = await one.keeper.wait_applied(revoke(store))
        assert found.run_out == 1
        refusal = two.keeper.refusal()  # it still decides by the grant that is gone
        assert two.active
        assert refusal is not None
        assert refusal.reason == "STATE_UNREACHABLE"
        two.resume()
        while two.keeper.refusal() is not None:
            assert True
            await asyncio.sleep(0.01)
        assert not two.active

    play(tmp_path / "state.sqlite", scene)


def test_a_storm_of_revocations_shares_its_looks_at_the_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(one: Worker, two: Worker, store: SqliteStateStore) -> None:
        looks = 0
        leases = one.store.leases

        def counted() -> Any:
            nonlocal looks
            looks += 1
            return leases()

        monkeypatch.setattr(one.store, "leases", counted)
        revision = revoke(store)
        await asyncio.gather(*(one.keeper.wait_applied(revision) for _ in range(1_000)))
        assert not two.active
        assert looks < 100

    play(tmp_path / "state.sqlite", scene)


def test_a_worker_that_left_is_not_waited_for(tmp_path: Path) -> None:
    async def scene(one: Worker, two: Worker, store: SqliteStateStore) -> None:
        await two.pause()
        await two.keeper.end()
        found = await one.keeper.wait_applied(revoke(store))
        assert found == (found.seconds, 0)
        assert found.seconds < LENGTH

    play(tmp_path / "state.sqlite", scene)


def test_p8_without_the_store_the_lease_runs_out_and_holds_again_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(one: Worker, two: Worker, store: SqliteStateStore) -> None:
        def away(*_: object) -> None:
            raise Unavailable("STATE_UNREACHABLE", "Away.")

        with monkeypatch.context() as gone:
            gone.setattr(two.store, "renew_lease", away)
            while two.keeper.refusal() is None:
                await asyncio.sleep(0.01)
            await one.keeper.wait_applied(revoke(store))
        while two.keeper.refusal() is not None:
            await asyncio.sleep(0.01)
        assert not two.active

    play(tmp_path / "state.sqlite", scene)


def test_a_worker_that_leaves_while_the_store_hangs_waits_for_no_longer_than_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(one: Worker, two: Worker, store: SqliteStateStore) -> None:
        await two.pause()
        mended = threading.Event()
        monkeypatch.setattr(two.store, "end_lease", lambda _row: mended.wait(60))
        began = time.monotonic()
        assert not await two.keeper.end()
        assert LENGTH <= time.monotonic() - began < 30
        mended.set()
        found = await one.keeper.wait_applied(revoke(store))  # the row is still there, and has run out
        assert found.run_out == 1
        assert await one.keeper.end()

    play(tmp_path / "state.sqlite", scene)


@pytest.mark.parametrize("off", [-600_000_000, 600_000_000])
def test_p10_a_clock_that_is_not_the_stores_is_refused(tmp_path: Path, off: int) -> None:
    class Off(SystemClock):
        def now(self) -> int:
            return super().now() + off

    async def run() -> None:
        with closing(SqliteStateStore(tmp_path / "state.sqlite")) as store:
            store.migrate()
            keeper = LeaseKeeper(
                store,
                "a" * 20,
                LENGTH,
                Home(store),
                never,
                Disk(),
                Off(),
                Meter(MemorySink()),  # type: ignore[arg-type]
            )
            with pytest.raises(ConfigurationError, match="synchronise") as caught:
                await keeper.begin()
            await keeper.end()
            assert caught.value.reason == "CLOCK_SKEWED"
            refusal = keeper.refusal()
            assert refusal is not None
            assert refusal.reason == "CLOCK_SKEWED"

    asyncio.run(run())


def test_p10_a_clock_that_drifts_away_while_the_worker_serves_stops_it_and_it_goes_on_when_the_clock_is_right(
    tmp_path: Path,
) -> None:
    class Drifting(SystemClock):
        off = 0

        def now(self) -> int:
            return super().now() + self.off

    async def run() -> None:
        clock, sink = Drifting(), MemorySink()
        with closing(SqliteStateStore(tmp_path / "state.sqlite")) as store:
            store.migrate()

            async def nothing() -> None: ...

            keeper = LeaseKeeper(
                store,
                "a" * 20,
                LENGTH,
                Home(store),
                nothing,
                Disk(),
                clock,
                meter := Meter(sink),  # type: ignore[arg-type]
            )
            await keeper.begin()
            assert keeper.refusal() is None
            task = asyncio.create_task(keeper.run())
            clock.off = 600_000_000
            while (refusal := keeper.refusal()) is None:
                await asyncio.sleep(0.01)
            assert refusal.reason == "CLOCK_SKEWED"
            assert "synchronise" in refusal.message
            while not sink.values.get(("munjigi_lease_lapses_total",)):
                await asyncio.sleep(0.01)
                meter.flush()
            clock.off = 0
            while keeper.refusal() is not None:
                await asyncio.sleep(0.01)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await keeper.end()

    asyncio.run(run())


def test_a_lease_that_ran_out_and_comes_back_with_the_next_renewal_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "munjigi.worker")
    told = ["the lease holds", "the lease has run out; nothing is answered", "the lease holds"]

    async def scene() -> None:
        with closing(SqliteStateStore(tmp_path / "state.sqlite")) as store:
            store.migrate()
            sink, clock = MemorySink(), [1_000 * SECOND]
            meter = Meter(sink)
            keeper = keeper_at(store, Home(store), meter, lambda: clock[0])
            await keeper.begin()
            clock[0] += 2 * SECOND  # the loop is held up, say
            assert keeper.refusal() is not None
            running = asyncio.ensure_future(keeper.run())
            while keeper.refusal() is not None:
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait((running,))
            await keeper.end()
            meter.flush()
            assert sink.values[(catalogue.LEASE_LAPSES.name,)] == 1

    asyncio.run(asyncio.wait_for(scene(), 60))
    assert [each.message for each in caplog.records if "lease" in each.message] == told
    assert [each.reason for each in caplog.records if "run out" in each.message] == ["LATE"]


def test_p8_a_lease_that_was_renewed_while_the_loop_was_held_up_has_not_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        with (
            closing(SqliteStateStore(tmp_path / "state.sqlite")) as store,
            closing(SqliteStateStore(tmp_path / "state.sqlite")) as other,
        ):
            store.migrate()
            home, clock, length = Home(store), [1_000 * SECOND], int(LENGTH * SECOND)
            keeper = keeper_at(store, home, Meter(MemorySink()), lambda: clock[0])  # type: ignore[arg-type]
            theirs = LeaseRow("b" * 20, 0, 1, length)
            other.renew_lease(theirs)
            await keeper.begin()
            read, looks = store.leases, 0

            def held_up() -> Leases:
                """Read, and then stand still for longer than a lease; the other worker renews its own meanwhile, in time."""
                nonlocal looks
                looks += 1
                found = read()
                if looks < 3:
                    clock[0] += length * 6 // 5
                    other.renew_lease(theirs._replace(renewal=looks + 1))
                elif looks == 3:
                    other.renew_lease(theirs._replace(renewal=9, applied=1))
                return found

            monkeypatch.setattr(store, "leases", held_up)
            home.set_grants(home.snapshot.grants.at(1))
            await keeper._renew(1)
            looks = 0
            await keeper.wait_applied(1)
            assert looks > 3  # only then it was told that the other worker had applied it
            await keeper.end()

    asyncio.run(asyncio.wait_for(scene(), 60))
