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
from pathlib import Path

import pytest
from app.lease_kit import LENGTH, Worker
from grants.conformance_state import ALICE, GRANT, put
from sqlalchemy import delete, insert

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.adapters.state.tables import NOTICE_LETTER
from munjigi.grants.book import Plan
from munjigi.grants.changes import grant_added, grant_ended, person_changed
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey

KEY = EmployeeKey("urn:test", "tester")
TESTS = Path(__file__).parents[1]
LONGER = 1.5  # seconds of a lease on a machine that three writers keep busy
RENEWALS = 15


def person(name: str, number: int) -> Person:
    return Person(f"p.{name}.{number}", "employee", "", (EmployeeKey("urn:test", f"{name}{number}"),))


def grant(name: str, number: int) -> Grant:
    return replace(GRANT, grant_id=f"g.{name}.{number}", employee=EmployeeKey("urn:test", f"{name}{number}"))


# ---- Processes of their own, which write until their standard input ends


def tell(path: str, name: str) -> None:
    """Write as a follower that tells people of a long list: letters by the hundred, commit after commit. Print how many, and the longest wait."""
    letters = [
        dict.fromkeys(("urgency", "made_at", "next_at", "tries", "dead_at"), number)
        | dict.fromkeys(("letter_id", "channel", "issuer", "subject", "reason"), f"{name}-{number}")
        | {"notice": b"x" * 500}
        for number in range(800)
    ]
    commits, longest = 0, 0.0
    with closing(SqliteStateStore(Path(path))) as store:
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], 0)[0]:
            began = time.monotonic()
            with store.writing() as connection:
                longest = max(longest, time.monotonic() - began)
                connection.execute(delete(NOTICE_LETTER).where(NOTICE_LETTER.c.letter_id.startswith(f"{name}-")))
                connection.execute(insert(NOTICE_LETTER), letters)
            commits += 1
    print(commits, longest, flush=True)


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


def test_p8_a_lease_is_renewed_and_a_revocation_gets_its_turn_while_three_processes_write_all_the_time(path: Path) -> None:
    async def scene() -> None:
        worker = Worker(path, "w", LONGER)
        try:
            await worker.begin()
            await renewed(worker, RENEWALS, 5 * LONGER)
            ended = (grant_ended(replace(GRANT, ends_at=GRANT.starts_at)),)
            changed = await worker.registrar.change(KEY, "", b"", lambda _: Plan(ended, b""))
            found = await worker.keeper.wait_applied(changed.grant_revision)
            assert not worker.active
            assert found.run_out == worker.lapses == 0
        finally:
            await worker.end()

    with ExitStack() as stack:
        writers = [stack.enter_context(elsewhere("tell", path, name)) for name in "abc"]
        asyncio.run(asyncio.wait_for(scene(), 120))
        told = [process.communicate("\n", 60)[0].split() for process in writers]
    assert all(int(commits) > 3 for commits, _ in told)
    assert max(float(longest) for _, longest in told) < 5  # nobody was told that the store is busy
