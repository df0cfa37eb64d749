"""Backup and restore where the state is in PostgreSQL: out of it, into it, and from a file to it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from audit.support import START
from backup.kit import Installation
from postgresql import PostgresqlServer

from munjigi.adapters.state.address import Address
from munjigi.adapters.state.postgresql import PostgresqlStateStore
from munjigi.app.backup import back_up
from munjigi.app.files import StateFolder
from munjigi.app.restore import restore
from munjigi.app.state import noted, read_state
from munjigi.app.verification import seal_of, verify_logs
from munjigi.kernel.errors import FailedPrecondition


def quiet(_what: str, _size: int) -> None:
    pass


def back_up_of(folder: StateFolder, target: Path) -> None:
    back_up(folder, target, target.with_suffix(".keys"), now=START, randomness=os.urandom(16), progress=quiet)


def restored(archive: Path, folder: Path, address: Address | None = None) -> StateFolder:
    restore(
        archive,
        archive.with_suffix(".keys"),
        StateFolder(folder),
        reason="a test",
        operator="tester",
        kept=None,
        now=START,
        randomness=lambda: os.urandom(16),
        progress=quiet,
        address=address,
    )
    return StateFolder(folder)


def problems(folder: StateFolder) -> list[str]:
    seal = seal_of(folder)
    return [seal.problem, *(each.problem for each in verify_logs(folder, seal))]


@pytest.fixture
def address(postgresql_server: PostgresqlServer) -> Address:
    postgresql_server.empty("restored")
    return postgresql_server.address("restored")


def test_the_state_goes_from_a_file_into_a_database_and_back(tmp_path: Path, address: Address) -> None:
    installation = Installation(StateFolder(tmp_path / "one"))
    installation.append(5)
    for _ in range(3):
        installation.grant()
    installation.seal()
    before, heads = installation.store.load(), installation.store.log_heads()
    back_up_of(installation.folder, tmp_path / "first")
    installation.close()

    second = restored(tmp_path / "first", tmp_path / "two", address)
    assert noted(second) == address
    assert not second.state.exists()
    with closing(read_state(second)) as store:
        assert isinstance(store, PostgresqlStateStore)
        assert store.load() == before
        assert store.log_heads()[:-1] == heads
    assert set(problems(second)) == {""}

    with pytest.raises(FailedPrecondition) as caught:  # not over what is there
        restored(tmp_path / "first", tmp_path / "again", address)
    assert caught.value.reason == "STATE_NOT_EMPTY"
    assert not (tmp_path / "again").exists()

    back_up_of(second, tmp_path / "second")
    third = restored(tmp_path / "second", tmp_path / "three")
    assert noted(third) is None
    with closing(sqlite3.connect(third.state)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with closing(read_state(third)) as store:
        assert store.load() == before
    assert set(problems(third)) == {""}


def test_what_was_changed_in_the_database_is_found(tmp_path: Path, address: Address, postgresql_server: PostgresqlServer) -> None:
    installation = Installation(StateFolder(tmp_path / "one"))
    installation.append(5)
    installation.grant()
    installation.seal()
    back_up_of(installation.folder, tmp_path / "first")
    installation.close()
    folder = restored(tmp_path / "first", tmp_path / "two", address)
    with postgresql_server.admin("restored") as admin:
        admin.execute("UPDATE munjigi.role_grant SET ends_at = ends_at + 1")
    seal = seal_of(folder)
    found = [each for each in verify_logs(folder, seal) if not each.intact]
    assert [(each.problem, each.file) for each in found] == [("STATE_DIFFERS", "postgresql")]
