"""Commits of the state store, in a file and in PostgreSQL, against a bare transaction of one row in the same database.

Run as `python -m bench.state FOLDER`; prints JSON: commits a minute of each round. The bare transaction locks the one head
row, adds a row of as many bytes and updates the head: what any log with dense numbers pays.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bench.machine import spread, unpin
from bench.table import Row, number, within
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import grant_added, grant_changed, person_changed
from munjigi.grants.ports import StateStore
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey

ROUNDS: Final = 3
WRITERS: Final = 4
_SECONDS: Final = 1.5  # a round
_LEAST: Final = 10_000  # a minute
_HOLDER: Final = EmployeeKey("urn:bench", "kim")
_GRANT: Final = Grant("g.bench", _HOLDER, "cs_agent", "inquiry", 1, 2, ("cs.lee",))
_BYTES: Final = 400  # of a permission record and its chain
_BARE: Final = (
    "CREATE TABLE bare (number BIGINT PRIMARY KEY, payload {bytes} NOT NULL)",
    "CREATE TABLE bare_head (one INTEGER PRIMARY KEY, number BIGINT NOT NULL)",
    "INSERT INTO bare_head VALUES (1, 0)",
)


def measure(folder: Path) -> dict[str, Any]:
    """Measure in turns: bare and store, SQLite and PostgreSQL, one writer and several."""
    unpin()
    folder.mkdir(mode=0o700, parents=True)
    found: dict[str, Any] = {}
    path = folder / "state.sqlite"
    bare = _bare_sqlite(folder / "bare.sqlite")
    with closing(SqliteStateStore(path)) as store, closing(bare):
        work = _prepared(store)
        for _ in range(ROUNDS):
            found.setdefault("bare sqlite", []).append(_rate([lambda: _commit_sqlite(bare)]))
            found.setdefault("sqlite", []).append(_rate([work]))
    try:
        found |= _postgresql(folder)
    except Exception as error:  # noqa: BLE001 - the table says what is missing
        found["missing"] = f"PostgreSQL was not measured: {type(error).__name__}"
    return found


def _postgresql(folder: Path) -> dict[str, list[float]]:
    import psycopg  # noqa: PLC0415 - not on every platform
    from postgresql import postgresql  # noqa: PLC0415 - of the tests

    from munjigi.adapters.state.postgresql import PostgresqlStateStore  # noqa: PLC0415

    found: dict[str, list[float]] = {}
    with postgresql(folder) as server:
        server.make("bench")
        address = server.address("bench")
        parameters = address.parameters(read_only=False)
        bare = [psycopg.connect(**parameters, autocommit=True) for _ in range(WRITERS)]
        with closing(PostgresqlStateStore(address)) as store:
            work = _prepared(store)
            for statement in _BARE:
                bare[0].execute(statement.format(bytes="bytea"))
            for _ in range(ROUNDS):
                for writers in (1, WRITERS):
                    name = f"postgresql {writers}"
                    commits = [lambda each=each: _commit_postgresql(each) for each in bare[:writers]]
                    found.setdefault(f"bare {name}", []).append(_rate(commits))
                    found.setdefault(name, []).append(_rate([work] * writers))
        for each in bare:
            each.close()
    return found


def _prepared(store: StateStore) -> Callable[[], object]:
    """Fill a store with one grant; return what changes it once."""
    store.migrate()
    store.apply(
        [person_changed(Person("p.kim", "employee", "cs", (_HOLDER,))), grant_added(_GRANT)], at=1, actor="a", request_id=""
    )
    ends = iter(range(3, 1 << 40))

    def change() -> object:
        edit = grant_changed(replace(_GRANT, ends_at=next(ends)))
        return store.apply([edit], at=time.time_ns(), actor="cs.lee", request_id="r-1")

    return change


def _bare_sqlite(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    for statement in _BARE:
        connection.execute(statement.format(bytes="BLOB"))
    return connection


def _commit_sqlite(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (last,) = connection.execute("SELECT number FROM bare_head").fetchone()
    connection.execute("INSERT INTO bare VALUES (?, ?)", [last + 1, bytes(_BYTES)])
    connection.execute("UPDATE bare_head SET number = ?", [last + 1])
    connection.execute("COMMIT")


def _commit_postgresql(connection: Any) -> None:
    with connection.transaction():
        (last,) = connection.execute("SELECT number FROM munjigi.bare_head FOR UPDATE").fetchone()
        connection.execute("INSERT INTO munjigi.bare VALUES (%s, %s)", [last + 1, bytes(_BYTES)])
        connection.execute("UPDATE munjigi.bare_head SET number = %s", [last + 1])


def _rate(works: list[Callable[[], object]]) -> float:
    """Work in as many threads for a while; return how often a minute all of them together."""
    ends = time.perf_counter() + _SECONDS

    def run(work: Callable[[], object]) -> int:
        done = 0
        while time.perf_counter() < ends:
            work()
            done += 1
        return done

    begin = time.perf_counter()
    with ThreadPoolExecutor(len(works)) as pool:
        done = sum(pool.map(run, works))
    return done / (time.perf_counter() - begin) * 60


def rows(figures: dict[str, Any]) -> list[Row]:
    """Make the table's rows."""
    names = {
        "sqlite": "state in a file, commits of one change",
        "postgresql 1": "state in PostgreSQL, commits of one change, one writer",
        f"postgresql {WRITERS}": f"same, {WRITERS} writers at once",
    }
    found = []
    for name, what in names.items():
        if name in figures:
            measured, bare = spread(figures[name]), spread(figures[f"bare {name}"])
            row = Row(
                what,
                within(measured, "/min"),
                f"bare transaction of one row {within(bare, '/min')}",
                f"{measured.median / bare.median:.2f}x",
                f">= {number(_LEAST)}/min",
                measured.median >= _LEAST,
            )
            found.append(row)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
