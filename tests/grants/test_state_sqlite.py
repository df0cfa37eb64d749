"""The SQLite store: the shared suite, and what is SQLite's own: files, modes, damage, migration, being killed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from grants.conformance_state import ALICE, BOB, GRANT, SharedStateStoreConformance, put
from hypothesis import given
from hypothesis import strategies as st

from munjigi.adapters.state.codec import GrantRow, decode_grant
from munjigi.adapters.state.database import SqlDatabase
from munjigi.adapters.state.lease_file import LeaseFile
from munjigi.adapters.state.schema import LEASES, SCHEMA_VERSIONS, STATE
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import grant_added, person_changed
from munjigi.grants.ports import LeaseRow, StateStore
from munjigi.kernel.errors import ConfigurationError, Corruption, Unavailable

LEASE = LeaseRow("a" * 20, 1, 1, 3_000_000_000)


class TestSqliteStateStore(SharedStateStoreConformance):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], StateStore]:
        return lambda: SqliteStateStore(tmp_path / "state.sqlite")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


def opened(path: Path) -> SqliteStateStore:
    store = SqliteStateStore(path)
    store.migrate()
    return store


def damaged(path: Path, sql: str) -> SqliteStateStore:
    with closing(opened(path)) as store:
        put(store, person_changed(ALICE), person_changed(BOB), grant_added(GRANT))
    with closing(sqlite3.connect(path)) as connection:
        for what in ("update", "delete"):
            connection.execute(f"DROP TRIGGER permission_log_no_{what}")
        connection.execute(sql)
        connection.commit()
    return SqliteStateStore(path)


def test_all_files_are_private(path: Path) -> None:
    with closing(opened(path)) as store:
        put(store, person_changed(ALICE))
        store.renew_lease(LEASE)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    files = ("state.sqlite", "state-leases.sqlite")
    assert modes == dict.fromkeys([f"{file}{end}" for file in files for end in ("", "-wal", "-shm")], 0o600)


def test_p8_leases_in_a_file_that_was_taken_away_count_no_more_and_are_renewed_in_the_new_one(path: Path) -> None:
    """Else a worker that begins would see the leases in the new file, and none of those that are held in the old one."""
    with closing(opened(path)) as store:
        store.renew_lease(LEASE)
        for file in path.parent.glob("state-leases*"):
            file.unlink()
        with closing(SqliteStateStore(path)) as other:
            assert other.leases().rows == ()
            other.renew_lease(LEASE._replace(instance="b" * 20))
            with pytest.raises(Unavailable) as caught:
                store.leases()
            assert caught.value.reason == "LEASES_REPLACED"
            store.renew_lease(LEASE._replace(renewal=2))
            assert store.leases().rows == other.leases().rows == (LEASE._replace(renewal=2), LEASE._replace(instance="b" * 20))


def test_p10_leases_of_newer_code_are_refused(path: Path) -> None:
    with closing(opened(path)) as store:
        store.renew_lease(LEASE)
    with closing(sqlite3.connect(path.with_name("state-leases.sqlite"))) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with closing(opened(path)) as store, pytest.raises(ConfigurationError) as caught:
        store.renew_lease(LEASE)
    assert caught.value.reason == "LEASES_NEWER"


def test_leases_have_the_table_that_the_state_has_elsewhere(path: Path) -> None:
    from sqlalchemy import inspect

    def columns(database: SqlDatabase) -> list[tuple[str, str]]:
        with closing(database), database.reading() as connection:
            return [(each["name"], str(each["type"])) for each in inspect(connection).get_columns("lease")]

    assert columns(opened(path)) == columns(LeaseFile(path.with_name("state-leases.sqlite"))) != []


def test_p10_a_file_that_others_may_read_is_refused(path: Path) -> None:
    opened(path).close()
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600") as caught:
        SqliteStateStore(path)
    assert caught.value.reason == "STATE_FILE_EXPOSED"


def test_p10_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MUNJIGI_STATE_DIR"):
        SqliteStateStore(tmp_path / "missing" / "state.sqlite")


def test_p10_a_file_of_newer_code_is_refused(path: Path) -> None:
    with closing(damaged(path, "UPDATE alembic_version SET version_num = '9999'")) as store:
        with pytest.raises(ConfigurationError, match="newer") as caught:
            store.migrate()
        assert caught.value.reason == "STATE_NEWER"


def test_commits_are_synced_to_disk(path: Path) -> None:
    with closing(opened(path)) as store, store._transaction("read") as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_another_file_format_is_corruption(path: Path) -> None:
    path.write_bytes(b"not a database, " * 512)
    path.chmod(0o600)
    with closing(SqliteStateStore(path)) as store, pytest.raises(Corruption):
        store.migrate()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM permission_log WHERE grant_revision = 2",
        "UPDATE permission_log SET payload = x'80' WHERE grant_revision = 1",
        "UPDATE permission_log SET payload = (SELECT payload FROM permission_log WHERE grant_revision = 3) WHERE grant_revision = 1",
        "UPDATE permission_log SET at = 7 WHERE grant_revision = 1",
        "DELETE FROM head",
    ],
)
def test_a_damaged_log_is_corruption(path: Path, sql: str) -> None:
    with closing(damaged(path, sql)) as store, pytest.raises(Corruption):
        store.load_at(3)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE role_grant SET scope = '[1]'",
        "UPDATE role_grant SET approved_by = 'x'",
        "DELETE FROM head",
        "DELETE FROM person WHERE person_id = (SELECT min(person_id) FROM person)",  # whose accounts stand before all others
        "DELETE FROM person WHERE person_id = (SELECT max(person_id) FROM person)",
    ],
)
def test_a_damaged_row_is_corruption(path: Path, sql: str) -> None:
    with closing(damaged(path, sql)) as store, pytest.raises(Corruption):
        store.load()


def test_a_busy_store_is_unavailable_and_then_works(path: Path) -> None:
    with closing(opened(path)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        store.patience = 0.05
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as caught:
            put(store, person_changed(ALICE))
        assert caught.value.reason == "STATE_BUSY"
        assert store.revision() == 0  # readers are never blocked
        assert store.renew_lease(LEASE).rows == (LEASE,)  # nor are leases
        other.execute("ROLLBACK")
        assert put(store, person_changed(ALICE)) == 1


def test_an_unmigrated_store_is_unavailable(path: Path) -> None:
    with closing(SqliteStateStore(path)) as store, pytest.raises(Unavailable):
        store.revision()


def test_a_start_without_pending_migration_does_not_import_alembic(path: Path) -> None:
    opened(path).close()
    code = (
        "import sys; from pathlib import Path; from munjigi.adapters.state.sqlite import SqliteStateStore;"
        "store = SqliteStateStore(Path(sys.argv[1])); store.migrate(); print('alembic' in sys.modules, store.revision())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "0"]


def test_migrations_make_exactly_the_tables(path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    from munjigi.adapters.state.migrate import config_of
    from munjigi.adapters.state.tables import METADATA
    from munjigi.adapters.usage.schema import USAGE_SCHEMA

    with closing(opened(path)) as store, store._transaction("read") as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    for schema in (STATE, LEASES, USAGE_SCHEMA):
        known = [script.revision for script in ScriptDirectory.from_config(config_of(schema)).walk_revisions()]
        assert tuple(reversed(known)) == schema.versions


@pytest.mark.parametrize("step", range(2, len(SCHEMA_VERSIONS)), ids=lambda step: SCHEMA_VERSIONS[step])
def test_a_migration_only_adds_what_the_version_before_can_leave_out(path: Path, step: int) -> None:
    """Both versions run at once for a while: CONTRIBUTING.md, How to add a migration."""
    from sqlalchemy import inspect

    from munjigi.adapters.state.migrate import upgrade

    def columns() -> dict[tuple[str, str], tuple[str, bool]]:
        tables = inspect(connection)
        return {
            (table, column["name"]): (str(column["type"]), bool(column["nullable"]) or column["default"] is not None)
            for table in tables.get_table_names()
            for column in tables.get_columns(table)
        }

    with closing(SqliteStateStore(path)) as store, store._transaction("write") as connection:
        upgrade(connection, SCHEMA_VERSIONS[step - 1])
        before = columns()
        upgrade(connection, SCHEMA_VERSIONS[step])
        after = columns()
    assert {name: after.get(name) for name in before} == before
    known = {table for table, _ in before}
    assert [name for name, (_, optional) in after.items() if name not in before and name[0] in known and not optional] == []


def test_concurrent_writers_stay_dense(path: Path) -> None:
    opened(path).close()

    def write(worker: int) -> None:
        with closing(SqliteStateStore(path)) as store:
            for number in range(15):
                put(store, person_changed(replace(BOB, person_id=f"p.{worker}.{number}", accounts=())))

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(SqliteStateStore(path)) as store:
        assert [change.grant_revision for change in store.changes_since(0)] == list(range(1, 61))
        assert store.load() == store.load_at(60)


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import grant_added, grant_ended, person_changed
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey
store = SqliteStateStore(Path(sys.argv[1]))
store.migrate()
number = store.revision()
while True:
    key = EmployeeKey("urn:test", f"e{number}")
    grant = Grant(f"g.{number}", key, "r", "p", 1, 9, ())
    person = Person(f"p.{number}", "employee", "", (key,))
    edits = [person_changed(person), grant_added(grant), grant_ended(replace(grant, ends_at=2))]
    number = store.apply(edits, at=number, actor="a", request_id=f"r{number}")
    print(number, flush=True)
"""


def test_kill_9_leaves_whole_changes_only(path: Path) -> None:
    acknowledged = 0
    for turn in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(2 + 4 * turn):
                line = writer.stdout.readline()
            time.sleep(turn * 0.0007)  # move the blow through the transaction
            writer.kill()
            said = (line + writer.stdout.read()).split()
        acknowledged = int(said[-1])
        with closing(opened(path)) as store:
            head = store.revision()
            assert head - acknowledged in (0, 3)
            changes = store.changes_since(0)
            assert [change.grant_revision for change in changes] == list(range(1, head + 1))
            state = store.load()
            assert state == store.load_at(head)
            assert len(state.people) == len(state.grants) == head // 3
            assert all(grant.ends_at == 2 for grant in state.grants)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import person_changed
from munjigi.kernel.errors import Unavailable
from munjigi.kernel.grant import Person
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SqliteStateStore(Path(sys.argv[1]))
store.revision()
resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))
try:
    store.apply([person_changed(Person(f"p.{i}", "employee", "x" * 900, ())) for i in range(200)], at=1, actor="", request_id="")
except Unavailable as error:
    print(error.reason, store.revision())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files through RLIMIT_FSIZE as Linux does")
def test_a_full_disk_is_unavailable_and_leaves_no_partial_change(path: Path) -> None:
    with closing(opened(path)) as store:
        put(store, person_changed(ALICE))
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["STATE_UNREACHABLE", "1"], done.stderr
    with closing(SqliteStateStore(path)) as store:
        assert store.load() == store.load_at(1)
        assert put(store, person_changed(BOB)) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_file_is_refused(path: Path) -> None:
    opened(path).close()
    path.chmod(0o400)
    with pytest.raises(ConfigurationError):
        SqliteStateStore(path)


@given(st.text(), st.one_of(st.none(), st.text()))
def test_fuzz_stored_lists_raise_only_corruption(approved_by: str, scope: str | None) -> None:
    try:
        decode_grant(GrantRow(approved_by, scope))
    except Corruption:
        return
