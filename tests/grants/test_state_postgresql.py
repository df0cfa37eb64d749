"""The PostgreSQL store: the shared suite, and what is PostgreSQL's own: contention, durability, rights, a server that goes away."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from grants.conformance_state import ALICE, BOB, GRANT, SharedStateStoreConformance, put
from grants.postgresql_kit import DATABASE, opened
from postgresql import PostgresqlServer, postgresql

from munjigi.adapters.state.address import Address
from munjigi.adapters.state.hints import hear
from munjigi.adapters.state.holdings import StoredHoldings
from munjigi.adapters.state.migrate import upgrade
from munjigi.adapters.state.postgresql import PostgresqlStateStore
from munjigi.adapters.state.schema import SCHEMA_VERSIONS
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import Once, grant_added, grant_changed, grant_ended, person_changed
from munjigi.grants.ports import StateStore
from munjigi.kernel.errors import ConfigurationError, Corruption, FailedPrecondition, MunjigiError, Unavailable

pytestmark = pytest.mark.servers
WRITERS = 50


class TestPostgresqlStateStore(SharedStateStoreConformance):
    @pytest.fixture
    def open_store(self, address: Address) -> Callable[[], StateStore]:
        return lambda: PostgresqlStateStore(address)


def together(work: Callable[[int], object]) -> list[object]:
    """Do something in as many threads at once, and return what each returned or raised."""
    barrier = threading.Barrier(WRITERS)

    def one(number: int) -> object:
        barrier.wait(30)
        try:
            return work(number)
        except MunjigiError as error:
            return error

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(one, range(WRITERS)))


def test_50_writers_at_once_get_dense_revisions_in_commit_order(address: Address) -> None:
    with closing(opened(address)) as one, closing(PostgresqlStateStore(address)) as other:
        people = [replace(BOB, person_id=f"p.{number}", accounts=()) for number in range(WRITERS)]
        found = together(lambda number: put((one, other)[number % 2], person_changed(people[number])))
        assert sorted(found, key=str) == sorted(range(1, WRITERS + 1), key=str)
        assert [change.grant_revision for change in one.changes_since(0)] == list(range(1, WRITERS + 1))
        assert other.load() == one.load_at(WRITERS)


def test_of_50_who_change_what_they_have_read_at_once_one_wins_each_revision(store: PostgresqlStateStore) -> None:
    """`after` says on which revision a change was planned: an approval of what was read, and of nothing else."""
    put(store, person_changed(ALICE), grant_added(GRANT))
    for turn in range(3):
        read = store.revision()
        edits = [[grant_changed(replace(GRANT, ends_at=1000 * turn + 300 + number))] for number in range(WRITERS)]
        found = together(
            lambda number, read=read, edits=edits: store.apply(edits[number], at=1, actor="a", request_id="r", after=read)
        )
        winner = [number for number, each in enumerate(found) if each == read + 1]
        assert len(winner) == 1
        assert {each.reason for each in found if isinstance(each, MunjigiError)} == {"STATE_MOVED"}
        assert store.load().grants[0].ends_at == 1000 * turn + 300 + winner[0]
    assert store.load() == store.load_at(5)


def test_of_50_with_one_idempotency_key_one_is_done(store: PostgresqlStateStore) -> None:
    people = [replace(BOB, person_id=f"p.{number}", accounts=()) for number in range(WRITERS)]

    def work(number: int) -> int:
        once = Once("d" * 64, b"answer")
        return store.apply([person_changed(people[number])], at=1, actor="a", request_id="r", once=once)

    found = together(work)
    assert [each for each in found if isinstance(each, int)] == [1]
    assert len(store.load().people) == 1


def test_of_50_who_end_or_make_the_same_grant_at_once_one_does(store: PostgresqlStateStore) -> None:
    put(store, person_changed(ALICE))
    found = together(lambda _: put(store, grant_added(GRANT)))
    assert sum(each == 2 for each in found) == 1
    assert {each.reason for each in found if isinstance(each, MunjigiError)} == {"GRANT_EXISTS"}
    # An end that is not earlier than the one before is refused: what the rule looks up is what the last writer left.
    found = together(lambda number: put(store, grant_ended(replace(GRANT, ends_at=190 - number))))
    ended = [number for number, each in enumerate(found) if isinstance(each, int)]
    assert store.load().grants[0].ends_at == 190 - max(ended)
    assert store.revision() == 2 + len(ended)
    assert store.load() == store.load_at(store.revision())


def test_processes_that_write_at_once_stay_dense(address: Address) -> None:
    opened(address).close()
    assert address.password_file is not None
    command = [sys.executable, "-c", WRITER, address.url, str(address.authority or ""), str(address.password_file)]
    writers = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True) for number in range(3)]
    said = [writer.communicate(timeout=60)[0].split() for writer in writers]
    assert sorted(int(each) for part in said for each in part) == list(range(1, 61))
    with closing(PostgresqlStateStore(address)) as store:
        assert store.load() == store.load_at(60)


WRITER = """
import sys
from pathlib import Path
from munjigi.adapters.state.address import Address
from munjigi.adapters.state.postgresql import PostgresqlStateStore
from munjigi.grants.changes import person_changed
from munjigi.kernel.grant import Person
url, authority, password, number = sys.argv[1:]
store = PostgresqlStateStore(Address(url, Path(authority) if authority else None, Path(password)))
for each in range(20):
    person = Person(f"p.{number}.{each}", "employee", "", ())
    print(store.apply([person_changed(person)], at=1, actor="a", request_id="r"), flush=True)
store.close()
"""


def test_starts_that_migrate_at_once_make_one_schema(address: Address) -> None:
    with closing(PostgresqlStateStore(address)) as one, closing(PostgresqlStateStore(address)) as other:
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(lambda each: each.migrate(), (one, other) * 3)) == [None] * 6
        assert one.revision() == 0
        assert put(other, person_changed(ALICE)) == 1


def test_a_migration_waits_for_the_one_under_way_and_then_has_nothing_to_do(
    server: PostgresqlServer, store: PostgresqlStateStore
) -> None:
    """An older reader goes on meanwhile."""
    with server.admin(DATABASE) as admin:
        admin.execute("SET search_path = munjigi")
        admin.execute("UPDATE alembic_version SET version_num = %s", [SCHEMA_VERSIONS[-2]])
        with admin.transaction():
            admin.execute("SELECT pg_advisory_xact_lock(%s)", [0x6D756E6A69676901])
            with ThreadPoolExecutor(1) as pool:
                migration = pool.submit(store.migrate)
                deadline = time.monotonic() + 30
                while admin.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone() == (
                    0,
                ):
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                with closing(PostgresqlStateStore(server.address(DATABASE), read_only=True)) as reader:
                    assert reader.revision() == 0
                admin.execute("UPDATE alembic_version SET version_num = %s", [SCHEMA_VERSIONS[-1]])
                admin.execute("COMMIT")
                admin.execute("BEGIN")
                assert migration.result(30) is None


def test_the_version_before_goes_on_while_a_newer_one_adds_to_the_schema(
    server: PostgresqlServer, store: PostgresqlStateStore
) -> None:
    def use(turn: int) -> None:
        put(store, person_changed(replace(BOB, person_id=f"p.{turn}", accounts=())))
        assert len(store.load().people) == store.revision() == turn + 1
        assert len(store.changes_since(0)) == turn + 1

    for turn in range(8):  # long enough for statements to be prepared
        use(turn)
    with server.admin(DATABASE) as admin:
        for table in ("person", "account", "role_grant", "permission_log", "head"):
            admin.execute(f"ALTER TABLE munjigi.{table} ADD COLUMN later text, ADD COLUMN given integer NOT NULL DEFAULT 7")
        admin.execute("CREATE TABLE munjigi.later (one integer)")
    for turn in range(8, 16):
        use(turn)


def test_a_writer_waits_for_the_head_row_and_gives_up_in_time(server: PostgresqlServer, store: PostgresqlStateStore) -> None:
    with server.admin(DATABASE) as admin, admin.transaction():
        admin.execute("SELECT * FROM munjigi.head FOR UPDATE")
        with closing(PostgresqlStateStore(replace(server.address(DATABASE), lock_seconds=1))) as impatient:
            with pytest.raises(Unavailable) as caught:
                put(impatient, person_changed(ALICE))
            assert caught.value.reason == "STATE_BUSY"
        assert store.revision() == 0  # readers are never blocked
    assert put(store, person_changed(ALICE)) == 1


def test_a_reader_sees_one_moment(store: PostgresqlStateStore, address: Address) -> None:
    put(store, person_changed(ALICE))
    with closing(PostgresqlStateStore(address, read_only=True)) as reader, reader._transaction("read") as connection:
        count = "SELECT (SELECT count(*) FROM person), (SELECT grant_revision FROM head)"
        before = connection.exec_driver_sql(count).one()
        put(store, person_changed(BOB))
        assert connection.exec_driver_sql(count).one() == before


def test_a_reader_can_not_write(store: PostgresqlStateStore, address: Address) -> None:
    with closing(PostgresqlStateStore(address, read_only=True)) as reader:
        assert reader.log_heads() == store.log_heads()
        with pytest.raises(Unavailable):
            put(reader, person_changed(ALICE))
    assert store.revision() == 0


@pytest.mark.parametrize(
    "sql",
    ["UPDATE munjigi.permission_log SET at = 7", "DELETE FROM munjigi.permission_log", "TRUNCATE munjigi.permission_log"],
)
def test_permission_records_refuse_to_be_changed(server: PostgresqlServer, store: PostgresqlStateStore, sql: str) -> None:
    put(store, person_changed(ALICE))
    with server.admin(DATABASE) as admin:
        for role in ("origin", "replica"):
            admin.execute(f"SET session_replication_role = {role}")
            with pytest.raises(psycopg.errors.RaiseException, match="never changed"):
                admin.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM munjigi.permission_log WHERE grant_revision = 2",
        "UPDATE munjigi.permission_log SET payload = '\\x80' WHERE grant_revision = 1",
        "UPDATE munjigi.permission_log SET at = 7 WHERE grant_revision = 1",
        "DELETE FROM munjigi.head",
    ],
)
def test_a_damaged_log_is_corruption(server: PostgresqlServer, store: PostgresqlStateStore, sql: str) -> None:
    put(store, person_changed(ALICE), person_changed(BOB), grant_added(GRANT))
    with server.admin(DATABASE) as admin:
        admin.execute("ALTER TABLE munjigi.permission_log DISABLE TRIGGER ALL")
        admin.execute(sql)
    with pytest.raises(Corruption):
        store.load_at(3)


def test_every_text_is_compared_byte_by_byte(server: PostgresqlServer, store: PostgresqlStateStore) -> None:
    columns = """
        SELECT c.relname, a.attname, l.collname FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid AND c.relnamespace = 'munjigi'::regnamespace AND c.relkind = 'r'
        JOIN pg_collation l ON l.oid = a.attcollation WHERE c.relname <> 'alembic_version'
    """
    with server.admin(DATABASE) as admin:
        found = admin.execute(columns).fetchall()
    assert len(found) > 10
    assert [each for each in found if each[2] != "C"] == []


def test_migrations_make_exactly_the_tables(store: PostgresqlStateStore) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from munjigi.adapters.state.tables import METADATA

    with store._transaction("read") as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_p10_a_database_of_newer_code_is_refused(server: PostgresqlServer, store: PostgresqlStateStore) -> None:
    with server.admin(DATABASE) as admin:
        admin.execute("UPDATE munjigi.alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError) as caught:
        store.migrate()
    assert caught.value.reason == "STATE_NEWER"


def test_what_is_looked_up_one_by_one_is_what_a_file_gives(store: PostgresqlStateStore, tmp_path: Path) -> None:
    with closing(SqliteStateStore(tmp_path / "state.sqlite")) as file:
        file.migrate()
        found = []
        for each in (store, file):
            put(each, person_changed(ALICE), person_changed(BOB))
            for number, name in enumerate(("x", "X", "_", "Y", "z")):
                put(each, grant_added(replace(GRANT, grant_id=name, ends_at=200 + number // 2)))
            put(each, grant_ended(replace(GRANT, grant_id="Y", ends_at=150, ended="revoked")))
            look = StoredHoldings(each)
            found.append(
                (
                    look.revision,
                    look.blocks,
                    look.grant("x"),
                    look.grant("y"),
                    look.of(GRANT.employee),
                    look.person(GRANT.employee),
                    look.person_of(BOB.person_id),
                    list(look.people()),
                    list(look.holders(GRANT.role, GRANT.purpose).since(None)),
                    list(look.ending(199, 300)),
                    list(look.lapsing(0, 100)),
                    list(look.undecided()),
                )
            )
    assert found[0] == found[1]


def test_nobody_is_held_up_for_ever(store: PostgresqlStateStore) -> None:
    """A process that stops within a transaction lets the others go on; a reader holds nobody up, and may take its time."""
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    found = []
    for kind in ("write", "read"):
        with store._transaction(kind) as connection:
            found.append([connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names])
    assert found == [["5s", "15s", "15s"], ["5s", "10min", "10min"]]


def test_a_database_of_an_earlier_version_is_brought_up_with_what_is_in_it(address: Address) -> None:
    with closing(PostgresqlStateStore(address)) as store:
        with store._transaction("write") as connection:
            store._alone(connection)
            upgrade(connection, "0003")
            for statement in (
                "INSERT INTO person VALUES ('p.kim', 'employee', 'cs')",
                "INSERT INTO account VALUES ('urn:test', 'kim', 'p.kim', 0)",
                "INSERT INTO role_grant VALUES ('g.1', 'urn:test', 'kim', 'cs_agent', 'inquiry', 100, 200, '[\"lee\"]', NULL)",
            ):
                connection.exec_driver_sql(statement)
        store.migrate()
        state = store.load()
        assert [person.person_id for person in state.people] == ["p.kim"]
        assert [(grant.grant_id, grant.approved_by) for grant in state.grants] == [("g.1", ("lee",))]
        assert put(store, person_changed(BOB)) == 1


def test_an_unmigrated_store_is_unavailable(address: Address) -> None:
    with closing(PostgresqlStateStore(address)) as store, pytest.raises(Unavailable):
        store.revision()


def test_a_start_without_pending_migration_does_not_import_alembic(store: PostgresqlStateStore, address: Address) -> None:
    code = WRITER.partition("for each")[0] + "store.migrate(); print('alembic' in sys.modules, store.revision()); store.close()"
    command = [sys.executable, "-c", code, address.url, str(address.authority or ""), str(address.password_file), ""]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "0"]


def test_a_server_that_is_killed_and_started_again_is_used_again_without_a_word(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No commit that was acknowledged is lost, and nothing is half."""
    with postgresql(tmp_path_factory.mktemp("killed")) as server:
        server.make(DATABASE)
        with closing(opened(server.address(DATABASE))) as store:
            acknowledged = put(store, person_changed(ALICE), grant_added(GRANT))
            server.stop(signal.SIGQUIT)
            with pytest.raises(Unavailable) as caught:
                store.revision()
            assert caught.value.reason == "STATE_UNREACHABLE"
            with pytest.raises(Unavailable):
                put(store, person_changed(BOB))
            server.start()
            assert store.revision() == acknowledged
            assert put(store, person_changed(BOB)) == acknowledged + 1
            server.stop(signal.SIGQUIT)
            server.start()
            assert put(store, grant_ended(replace(GRANT, ends_at=150))) == acknowledged + 2
            assert store.load() == store.load_at(acknowledged + 2)


def test_a_conflicting_row_is_a_conflict(server: PostgresqlServer, store: PostgresqlStateStore) -> None:
    """What came past the rules is stopped by the tables."""
    put(store, person_changed(ALICE))
    with server.admin(DATABASE) as admin:
        admin.execute("INSERT INTO munjigi.permission_log VALUES (2, 1, '\\x00', '\\x00')")
    with pytest.raises(FailedPrecondition) as caught:
        put(store, person_changed(BOB))
    assert caught.value.reason == "STATE_CONFLICT"


def test_a_commit_is_heard_of_at_once_and_again_when_the_server_was_gone(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def heard(wakes: asyncio.Event) -> None:
        await asyncio.wait_for(wakes.wait(), 30)
        wakes.clear()

    async def run(server: PostgresqlServer, store: PostgresqlStateStore) -> None:
        wakes = asyncio.Event()
        hearing = asyncio.create_task(hear(server.address(DATABASE), wakes.set))
        await heard(wakes)  # it listens
        for number in range(3):
            await asyncio.to_thread(put, store, person_changed(replace(BOB, person_id=f"p.{number}", accounts=())))
            await heard(wakes)
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        await asyncio.to_thread(server.start)
        await heard(wakes)
        await asyncio.to_thread(put, store, person_changed(ALICE))
        await heard(wakes)
        hearing.cancel()
        with suppress(asyncio.CancelledError):
            await hearing

    with postgresql(tmp_path_factory.mktemp("heard")) as server:
        server.make(DATABASE)
        with closing(opened(server.address(DATABASE))) as store:
            asyncio.run(run(server, store))
