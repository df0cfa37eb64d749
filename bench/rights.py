"""Requests, approvals and grants a minute through a worker's registrar, against a bare write and sync; a large company's store.

Run as `python -m bench.rights FOLDER`; prints JSON. Each round asks and approves for a while: a request is one commit, its approval
and the grant another one, each with its idempotency key. The large company's tables are filled directly, without their log.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from bench.machine import spread, unpin
from bench.table import Row, number, within
from munjigi.adapters.state.sqlite import SqliteStateStore
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
    found: dict[str, Any] = {"bare": [], "given": []}
    with closing(SqliteStateStore(folder / "state.sqlite")) as store:
        store.migrate()
        names = ("cs.lee", *(f"e{each}" for each in range(_EMPLOYEES)))
        people = [person_changed(Person(f"p.{each}", "employee", "customer-service", (_key(each),))) for each in names]
        store.apply(people, at=1, actor="bench", request_id="")
        registrar = Registrar(store, _Home(_policy(), load_table(store)), _Now())  # type: ignore[arg-type]
        employees = iter(names[1:])
        for _ in range(ROUNDS):
            found["bare"].append(_bare(folder / "bare"))
            found["given"].append(asyncio.run(_given(registrar, employees)))
    found |= _large(folder / "large.sqlite")
    return found


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
    given, bare = spread(figures["given"]), spread(figures["bare"])
    opened, worked = figures["open_seconds"], figures["open_cpu_seconds"]
    median, most = figures["change_ms_p50"], figures["change_ms_max"]
    return [
        Row(
            "requests, approvals and grants, SQLite, one after the other",
            within(given, "/min"),
            f"bare write and fdatasync {within(bare, '/min')}",
            f"{given.median / bare.median:.2f}x",
            f">= {number(_LEAST)}/min",
            given.median >= _LEAST,
        ),
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


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
