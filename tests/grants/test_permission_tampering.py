"""P7: whatever is done to rows of the permission log, or to the state that they made, verification finds it and names the place."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from grants.conformance_state import ALICE, BOB, GRANT, put
from grants.test_permission_log import damage, verified

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.audit.seal.merkle import leaf_hash
from munjigi.audit.verify import Sealed
from munjigi.grants.changes import grant_added, grant_changed, grant_ended, person_changed

ROWS = 12
Tampering = Callable[[Path, random.Random], int]


def filled(path: Path) -> None:
    with closing(SqliteStateStore(path)) as store:
        store.migrate()
        for edit in (person_changed(ALICE), person_changed(BOB), grant_added(GRANT)):
            put(store, edit)
        for number in range(ROWS - 5):
            put(store, person_changed(replace(BOB, department=f"d{number}")))
        put(store, grant_changed(replace(GRANT, ends_at=300, scope=None)))
        put(store, grant_ended(replace(GRANT, ends_at=150, scope=None)))


def rows(path: Path) -> list[tuple[int, int, bytes, bytes]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT grant_revision, at, payload, chain FROM permission_log ORDER BY grant_revision"
        ).fetchall()


def edit(path: Path, column: str, number: int, value: object) -> None:
    damage(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE permission_log SET {column} = ? WHERE grant_revision = ?", (value, number + 1))
        connection.commit()


def flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_payload(path: Path, rng: random.Random) -> int:
    at = rng.randrange(ROWS)
    edit(path, "payload", at, flipped(rows(path)[at][2], rng))
    return at


def flip_chain(path: Path, rng: random.Random) -> int:
    at = rng.randrange(ROWS)
    edit(path, "chain", at, flipped(rows(path)[at][3], rng))
    return at


def change_time(path: Path, rng: random.Random) -> int:
    at = rng.randrange(ROWS)
    edit(path, "at", at, rows(path)[at][1] + rng.choice((-1, 1)) * rng.randrange(1, 1 << 40))
    return at


def drop_row(path: Path, rng: random.Random) -> int:
    at = rng.randrange(ROWS)
    damage(path, f"DELETE FROM permission_log WHERE grant_revision = {at + 1}")
    return at


def cut_rows(path: Path, rng: random.Random) -> int:
    at = rng.randrange(ROWS)
    damage(path, f"DELETE FROM permission_log WHERE grant_revision > {at}")
    return at


def swap_rows(path: Path, rng: random.Random) -> int:
    one, two = sorted(rng.sample(range(ROWS), 2))
    found = rows(path)
    for at, other in ((one, two), (two, one)):
        edit(path, "payload", at, found[other][2])
        edit(path, "at", at, found[other][1])
    return one


def repeat_row(path: Path, rng: random.Random) -> int:
    one, two = sorted(rng.sample(range(ROWS), 2))
    edit(path, "payload", two, rows(path)[one][2])
    return two


def flip_head(path: Path, rng: random.Random) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (chain,) = connection.execute("SELECT chain FROM head").fetchone()
        connection.execute("UPDATE head SET chain = ?", (flipped(chain, rng),))
        connection.commit()
    return ROWS


def change_state(path: Path, rng: random.Random) -> int:
    damage(
        path,
        rng.choice(
            (
                f"UPDATE role_grant SET ends_at = ends_at + {rng.randrange(1, 10**9)}",
                f"UPDATE role_grant SET starts_at = starts_at - {rng.randrange(1, 50)}",
                f"UPDATE role_grant SET role = 'r{rng.randrange(10**6)}'",
                f"UPDATE role_grant SET purpose = 'p{rng.randrange(10**6)}'",
                f"UPDATE person SET department = 'x{rng.randrange(10**6)}'",
                f"INSERT INTO person (person_id, principal_type, department) VALUES ('p.{rng.randrange(10**6)}', 'employee', '')",
                "DELETE FROM role_grant",
            )
        ),
    )
    return ROWS


TAMPERINGS: tuple[Tampering, ...] = (
    flip_payload,
    flip_chain,
    change_time,
    drop_row,
    cut_rows,
    swap_rows,
    repeat_row,
    flip_head,
    change_state,
)


def tampered(folder: Path, tampering: Tampering, seeds: range) -> None:
    filled(folder / "whole.sqlite")
    whole = (folder / "whole.sqlite").read_bytes()
    leaves = b"".join(leaf_hash(payload) for _, _, payload, _ in rows(folder / "whole.sqlite"))
    path = folder / "state.sqlite"
    for seed in seeds:
        for each in folder.glob("state.sqlite*"):
            each.unlink()
        path.touch(0o600)
        path.write_bytes(whole)
        at = tampering(path, random.Random(f"{tampering.__name__} {seed}"))
        for sealed in (None, Sealed(ROWS, leaves)):
            with closing(SqliteStateStore(path, read_only=True)) as store:
                found = verified(store, sealed)
            assert (found.intact, found.index) == (False, at), f"seed {seed}: {found}"


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_p7_tampering_with_permissions_is_found_and_located(tmp_path: Path, tampering: Tampering) -> None:
    tampered(tmp_path, tampering, range(4))


@pytest.mark.torture
@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_p7_tampering_with_permissions_is_found_and_located_with_many_seeds(tmp_path: Path, tampering: Tampering) -> None:
    tampered(tmp_path, tampering, range(4, 104))
