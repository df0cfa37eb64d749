"""Whoever writes to the state store, and for how long: leases are renewed, and a revocation is true everywhere (promise P8). Real processes."""

from __future__ import annotations

import asyncio
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from app.lease_kit import LENGTH, Worker
from grants.conformance_state import ALICE, GRANT, put

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.book import Book, Plan
from munjigi.grants.changes import Edit, grant_added, grant_ended, person_changed
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey

KEY = EmployeeKey("urn:test", "tester")
TESTS = Path(__file__).parents[1]
LONGER = 3.0  # seconds of a lease, as by default
RENEWALS = 15


def person(name: str, number: int) -> Person:
    return Person(f"p.{name}.{number}", "employee", "", (EmployeeKey("urn:test", f"{name}{number}"),))


def grant(name: str, number: int) -> Grant:
    return replace(GRANT, grant_id=f"g.{name}.{number}", employee=EmployeeKey("urn:test", f"{name}{number}"))


# ---- Workers in processes of their own, which write until their standard input ends


def import_people(number: int) -> list[Edit]:
    """As `munjigi people import` does: 500 rows a commit."""
    return [person_changed(person("i", 500 * number + row)) for row in range(500)]


def apply_review(number: int) -> list[Edit]:
    """As a review's run does: a hundred grants a commit."""
    return [grant_ended(replace(grant("r", 100 * number + row), ends_at=GRANT.starts_at)) for row in range(100)]


def approve(number: int) -> list[Edit]:
    """As an approval does: a grant a commit."""
    return [person_changed(person("a", number)), grant_added(grant("a", number))]


def planned(edits: tuple[Edit, ...], _: Book) -> Plan:
    return Plan(edits, b"")


def work(path: str, what: str, name: str, at_once: str) -> None:
    """Print how many commits were made, how often the lease ran out, and how long the longest change took until it was true everywhere."""

    async def scene() -> None:
        worker, took, numbers = Worker(Path(path), name, LONGER), [], count()
        await worker.begin()
        print("ready", flush=True)

        async def go_on() -> None:
            while not select.select([sys.stdin], [], [], 0)[0]:
                began, edits = time.monotonic(), tuple(globals()[what](next(numbers)))
                changed = await worker.registrar.change(KEY, "", b"", partial(planned, edits))
                await worker.keeper.wait_applied(changed.grant_revision)
                took.append(time.monotonic() - began)

        await asyncio.gather(*(go_on() for _ in range(int(at_once))))
        print(len(took), worker.lapses, max(took), flush=True)
        await worker.end()

    asyncio.run(scene())


def revoke_slowly(path: str) -> None:
    """Revoke in a transaction that begins now and is committed when it is told so."""
    with closing(SqliteStateStore(Path(path))) as store, store.writing() as connection:
        connection.exec_driver_sql("UPDATE lease SET length = 1")  # takes the lock; there is no row
        print("ready", flush=True)
        sys.stdin.readline()
    with closing(SqliteStateStore(Path(path))) as store:
        print(put(store, grant_ended(replace(GRANT, ends_at=GRANT.starts_at))), flush=True)


@contextmanager
def elsewhere(what: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    code = f"import sys; sys.path[:0] = [{str(TESTS)!r}]; from app import test_lease_crowded as t; t.{what}(*sys.argv[1:])"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.sqlite"
    with closing(SqliteStateStore(path)) as store:
        store.migrate()
        put(store, person_changed(ALICE), grant_added(GRANT))
    return path


async def renewed(worker: Worker, times: int, seconds: float) -> None:
    """Return after so many renewals and so much time, during all of which the lease must hold."""
    until, known, count = time.monotonic() + seconds, worker.keeper._row, 0
    while count < times or time.monotonic() < until:
        assert worker.keeper.refusal() is None
        if worker.keeper._row is not known:
            known, count = worker.keeper._row, count + 1
        await asyncio.sleep(0.005)
    assert worker.lapses == 0


def test_p8_a_lease_is_renewed_while_another_process_keeps_the_stores_lock(path: Path) -> None:
    async def scene(writer: subprocess.Popen[str]) -> None:
        worker = Worker(path, "a")
        try:
            await worker.begin()
            # A change of this worker's own waits for its turn, too, and holds up neither its renewals nor what others tell it.
            mine = asyncio.ensure_future(worker.store_in_thread(lambda store: put(store, person_changed(person("mine", 0)))))
            await renewed(worker, 5, 3 * LENGTH)
            assert not mine.done()
            assert worker.active
            said = await asyncio.to_thread(writer.communicate, "\n", 60)
            await mine
            found = await worker.keeper.wait_applied(int(said[0]))
            assert not worker.active
            assert found.run_out == 0
        finally:
            await worker.end()

    with elsewhere("revoke_slowly", path) as writer:
        asyncio.run(asyncio.wait_for(scene(writer), 60))


def test_p8_leases_are_renewed_and_a_revocation_is_acknowledged_while_three_processes_write_all_the_time(path: Path) -> None:
    async def scene() -> None:
        worker = Worker(path, "w", LONGER)
        try:
            await worker.begin()
            await renewed(worker, RENEWALS, 3 * LONGER)
            ended = grant_ended(replace(GRANT, ends_at=GRANT.starts_at))
            found = await worker.keeper.wait_applied(await worker.store_in_thread(lambda store: put(store, ended)))
            assert not worker.active
            assert found.run_out == worker.lapses == 0
        finally:
            await worker.end()

    with closing(SqliteStateStore(path)) as store:
        some = range(10_000)
        put(
            store,
            *(person_changed(person("r", number)) for number in some),
            *(grant_added(grant("r", number)) for number in some),
        )
    with ExitStack() as stack:
        tasks = ((import_people, "i", 2), (apply_review, "r", 2), (approve, "a", 8))
        workers = [stack.enter_context(elsewhere("work", path, what.__name__, *which)) for what, *which in tasks]
        asyncio.run(asyncio.wait_for(scene(), 120))
        for process in workers:
            commits, lapses, longest = map(float, process.communicate("\n", 60)[0].split())
            print(commits, lapses, longest)
            assert commits > 3
            assert lapses == 0
