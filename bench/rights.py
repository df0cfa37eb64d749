"""Requests, approvals and grants a minute through a worker's registrar, against a bare write and sync; a large company's store.

The same on PostgreSQL, which `tests/postgresql.py` starts: run with `tests` in PYTHONPATH.

Run as `python -m bench.rights FOLDER`; prints JSON. Each round asks and approves for a while: a request is one commit, its approval
and the grant another one, each with its idempotency key. The large company's tables are filled directly, without their log.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from bench.machine import spread, unpin
from bench.table import Row, number, within
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.adapters.state.store import SqlStateStore
from munjigi.adapters.state.tables import ACCOUNT, PERSON, ROLE_GRANT
from munjigi.app.grant_changes import load_table
from munjigi.app.registrar import Registrar
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.grants import requests
from munjigi.grants.book import Book, Plan
from munjigi.grants.changes import grant_changed, person_changed
from munjigi.grants.requests import Ask
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import PolicyBundle

ROUNDS: Final = 3
_SECONDS: Final = 2.0  # a round
_LEAST: Final = 10_000  # requests, approvals and grants a minute
_EMPLOYEES: Final = 5000
_PEOPLE: Final = 100_000
_GRANTS: Final = 1_000_000
_CHANGES: Final = 40
_BYTES: Final = 4096  # of a bare write
_POLICIES: Final = Path(__file__).resolve().parent.parent / "policies"
_YEAR: Final = 365 * 86_400 * 10**9


class _Now:
    def now(self) -> int:
        return time.time_ns()


class _Home:
    """The snapshot of one worker."""

    def __init__(self, bundle: PolicyBundle, table: GrantTable) -> None:
        self.snapshot = Snapshot(bundle, table)

    def set_grants(self, table: GrantTable) -> None:
        self.snapshot = Snapshot(self.snapshot.bundle, table)


def measure(folder: Path) -> dict[str, Any]:
    """Measure in turns."""
    unpin()
    folder.mkdir(mode=0o700, parents=True)
    found: dict[str, Any] = {"bare": [], "sqlite": [], "sqlite cpu": []}
    with closing(SqliteStateStore(folder / "state.sqlite")) as store:
        turn = _turns(store)
        for _ in range(ROUNDS):
            found["bare"].append(_bare(folder / "bare"))
            turn(found, "sqlite")
    try:
        found |= _postgresql(folder)
    except Exception as error:  # noqa: BLE001 - the table says what is missing
        found["missing"] = f"PostgreSQL was not measured: {type(error).__name__}"
    found |= _large(folder / "large.sqlite")
    return found


def _postgresql(folder: Path) -> dict[str, Any]:
    from postgresql import postgresql  # noqa: PLC0415 - of the tests

    from munjigi.adapters.state.postgresql import PostgresqlStateStore  # noqa: PLC0415 - not on every platform

    found: dict[str, Any] = {"postgresql": [], "postgresql cpu": []}
    with postgresql(folder) as server:
        server.make("bench")
        with closing(PostgresqlStateStore(server.address("bench"))) as store:
            turn = _turns(store)
            for _ in range(ROUNDS):
                turn(found, "postgresql")
    return found


def _turns(store: SqlStateStore) -> Callable[[dict[str, Any], str], None]:
    """Fill a store with employees; return what lets some of them ask, and notes rate and processor time under a name."""
    store.migrate()
    names = ("cs.lee", *(f"e{each}" for each in range(_EMPLOYEES)))
    people = [person_changed(Person(f"p.{each}", "employee", "customer-service", (_key(each),))) for each in names]
    store.apply(people, at=1, actor="bench", request_id="")
    registrar = Registrar(store, home := _Home(_policy(), load_table(store)), _Now())  # type: ignore[arg-type]
    employees = iter(names[1:])

    def turn(found: dict[str, Any], name: str) -> None:
        worked, before = time.process_time(), len(home.snapshot.grants)
        found[name].append(asyncio.run(_given(registrar, employees)))
        cycles = len(home.snapshot.grants) - before
        found[f"{name} cpu"].append((time.process_time() - worked) * 1000 / cycles)

    return turn


def _key(name: str) -> EmployeeKey:
    return EmployeeKey("urn:bench", name)


def _policy() -> PolicyBundle:
    files = {path.relative_to(_POLICIES).as_posix(): path.read_bytes() for path in _POLICIES.rglob("*") if path.is_file()}
    bundle, problems = compile_bundle(files, "bench")
    assert bundle is not None, problems
    return replace(bundle, roles={**bundle.roles, "cs_agent": replace(bundle.roles["cs_agent"], budget=0)})


async def _given(registrar: Registrar, employees: Any) -> float:
    """Ask and approve for a while; return how many requests, approvals and grants a minute."""
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < _SECONDS:
        name = next(employees)

        def ask(book: Book, name: str = name) -> Plan:
            wanted = Ask("new", _key(name), _key(name), "cs_agent", "inquiry", "joins the inquiry desk", days=90)
            return Plan(requests.ask(book, wanted, f"ar-{name}").edits, b"asked")

        def approve(book: Book, name: str = name) -> Plan:
            request = book.request(f"ar-{name}")
            assert request is not None
            done = requests.decide(book, f"ar-{name}", _key("cs.lee"), request.digest, approve=True, reason="it fits")
            return Plan(done.edits, b"approved")

        await registrar.change(_key(name), f"r-{name}", b"ask", ask)
        await registrar.change(_key("cs.lee"), f"v-{name}", b"approve", approve)
        done += 3
    return done / (time.perf_counter() - begin) * 60


def _bare(path: Path) -> float:
    """Return how many writes with a sync each the disk does a minute."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < _SECONDS / 2:
        os.pwrite(file, bytes(_BYTES), done % 64 * _BYTES)
        os.fdatasync(file)
        done += 1
    os.close(file)
    return done / (time.perf_counter() - begin) * 60


def _large(path: Path) -> dict[str, float]:
    """Open and compile a large company's store, and take over changes that another worker makes."""
    with closing(SqliteStateStore(path)) as store:
        store.migrate()
        _fill(store)
    with closing(SqliteStateStore(path)) as store, closing(SqliteStateStore(path)) as other:
        begin, worked = time.perf_counter(), time.process_time()
        table = load_table(store)
        opened, worked = time.perf_counter() - begin, time.process_time() - worked
        assert len(table) == _GRANTS
        took = asyncio.run(_taken_over(store, other, table))
    return {"open_seconds": opened, "open_cpu_seconds": worked, "change_ms_p50": spread(took).median, "change_ms_max": max(took)}


async def _taken_over(store: SqliteStateStore, other: SqliteStateStore, table: GrantTable) -> list[float]:
    registrar = Registrar(store, home := _Home(_policy(), table), _Now())  # type: ignore[arg-type]
    took = []
    for each in range(_CHANGES):
        grant = table.grant(f"g{each * 7919 % _GRANTS}")
        assert grant is not None
        changed = grant_changed(replace(grant, ends_at=grant.ends_at - 1))
        revision = other.apply([changed], at=time.time_ns(), actor="bench", request_id="")
        begin = time.perf_counter()
        await registrar.catch_up()
        took.append((time.perf_counter() - begin) * 1000)
        assert home.snapshot.grants.revision == revision
    return took


def _fill(store: SqliteStateStore) -> None:
    now = time.time_ns()
    step = _PEOPLE // 20
    with store._transaction("write") as connection:  # noqa: SLF001 - through its log it would take minutes
        for first in range(0, _PEOPLE, step):
            numbers = range(first, first + step)
            connection.execute(
                insert(PERSON),
                [{"person_id": f"p{each}", "principal_type": "employee", "department": "cs"} for each in numbers],
            )
            connection.execute(
                insert(ACCOUNT),
                [{"issuer": "urn:bench", "subject": f"e{each}", "person_id": f"p{each}", "position": 0} for each in numbers],
            )
            connection.execute(
                insert(ROLE_GRANT), [_row(who, each, now) for who in numbers for each in range(_GRANTS // _PEOPLE)]
            )


def _row(who: int, number: int, now: int) -> dict[str, Any]:
    return {
        "grant_id": f"g{who * (_GRANTS // _PEOPLE) + number}",
        "issuer": "urn:bench",
        "subject": f"e{who}",
        "role": f"role{number}",
        "purpose": "inquiry",
        "starts_at": now,
        "ends_at": now + _YEAR,
        "approved_by": '["cs.lee"]',
    }


def rows(figures: dict[str, Any]) -> list[Row]:
    """Make the table's rows."""
    opened, worked = figures["open_seconds"], figures["open_cpu_seconds"]
    median, most = figures["change_ms_p50"], figures["change_ms_max"]
    named = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    return [
        *(_given_row(figures, name, what) for name, what in named.items() if name in figures),
        Row(
            "store of 100,000 people and 1,000,000 grants, open and compile",
            f"{opened:.1f} s",
            f"{worked:.1f} s of CPU",
            target="<= 10 s",
            met=opened <= 10,
        ),
        Row(
            "another worker's change into a live snapshot of 1,000,000 grants, p50",
            f"{median:.2f} ms (at most {most:.1f})",
            target="<= 20 ms",
            met=median <= 20,
        ),
    ]


def _given_row(figures: dict[str, Any], name: str, what: str) -> Row:
    given, bare, cpu = spread(figures[name]), spread(figures["bare"]), spread(figures[f"{name} cpu"])
    return Row(
        f"requests, approvals and grants, {what}, one after the other",
        within(given, "/min"),
        f"bare write and fdatasync {within(bare, '/min')}",
        f"{given.median / bare.median:.2f}x",
        f">= {number(_LEAST)}/min",
        given.median >= _LEAST,
        cpu=f"{within(cpu.divided(1 / 1000))} for all three",
    )


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
