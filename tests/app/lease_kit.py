"""A worker as far as its lease goes: store, registrar and keeper are real, its policy and its journal's disk are not there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from grants.conformance_state import GRANT

from doubles.metrics import MemorySink
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.grant_changes import load_table
from munjigi.app.lease_keeper import LeaseKeeper
from munjigi.app.registrar import Registrar
from munjigi.decision.snapshot import Snapshot
from munjigi.kernel.clock import SystemClock
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

LENGTH = 0.5  # seconds


class Home:
    def __init__(self, store: Any) -> None:
        self.snapshot: Any = Snapshot(None, load_table(store))  # type: ignore[arg-type]  # no policy decides here

    def set_grants(self, grants: Any) -> None:
        self.snapshot = Snapshot(None, grants)  # type: ignore[arg-type]


class Disk:
    """A journal's queue, which `stuck` holds up."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()

    def when_durable(self, callback: Callable[[Exception | None], None], *, patience: float = 0.0, answers: int = 1) -> None:
        waiting = asyncio.ensure_future(self.free.wait())
        waiting.add_done_callback(lambda _: callback(None))

    async def durable(self, *, patience: float = 0.0) -> None:
        await self.free.wait()


def keeper_at(store: SqliteStateStore, home: Home, meter: Meter, monotonic: Callable[[], int]) -> LeaseKeeper:
    """Return the keeper of a worker whose clock is told."""
    catch_up = Registrar(store, home, SystemClock()).catch_up  # type: ignore[arg-type]
    return LeaseKeeper(store, "a" * 20, LENGTH, home, catch_up, Disk(), SystemClock(), meter, monotonic)


class Worker:
    def __init__(self, path: Path, name: str, length: float = LENGTH) -> None:
        self.store = SqliteStateStore(path)
        self.home, self.disk, self.sink = Home(self.store), Disk(), MemorySink()
        self.meter = Meter(self.sink)  # type: ignore[arg-type]
        self.registrar = Registrar(self.store, self.home, SystemClock())  # type: ignore[arg-type]
        self.keeper = LeaseKeeper(
            self.store,
            name * 20,
            length,
            self.home,
            self.registrar.catch_up,
            self.disk,
            SystemClock(),
            self.meter,
        )
        self.task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        await self.keeper.begin()
        self.resume()

    def resume(self) -> None:
        self.task = asyncio.ensure_future(self.keeper.run())

    async def pause(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    @property
    def active(self) -> bool:
        return self.home.snapshot.grants.grant("g.1").ends_at == GRANT.ends_at

    async def store_in_thread(self, what: Callable[[SqliteStateStore], int]) -> int:
        return await asyncio.to_thread(what, self.store)

    async def end(self) -> None:
        if self.task is not None:
            await self.pause()
        await self.keeper.end()
        await self.registrar.close()
        self.store.close()

    @property
    def lapses(self) -> float:
        self.meter.flush()
        return self.sink.values.get((catalogue.LEASE_LAPSES.name,), 0)
