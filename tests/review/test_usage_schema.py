"""The tables of counted use are made by numbered migrations, in a file and in the state's database, and refused where a number is unknown."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from grants.postgresql_kit import DATABASE
from postgresql import PostgresqlServer
from sqlalchemy import Connection, inspect

from munjigi.adapters.state.database import SqlDatabase
from munjigi.adapters.state.postgresql import PostgresqlStateStore
from munjigi.adapters.usage.schema import USAGE_SCHEMA
from munjigi.adapters.usage.store import SqlUsageStore, UsageFile
from munjigi.adapters.usage.tables import METADATA
from munjigi.kernel.errors import ConfigurationError, Unavailable

Opened = Callable[[], SqlDatabase]
TABLES = {table.name for table in METADATA.sorted_tables}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    if request.param == "sqlite":
        return lambda: UsageFile(tmp_path / "usage.sqlite")
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    server.empty(DATABASE)
    address = server.address(DATABASE)
    with closing(PostgresqlStateStore(address)) as state:
        state.migrate()
    return lambda: PostgresqlStateStore(address)


def counting(opened: Opened, zone: str = "Asia/Seoul") -> SqlUsageStore:
    return SqlUsageStore(opened(), zone=zone)


def changed(opened: Opened, *statements: str) -> None:
    with closing(opened()) as database, database.writing() as connection:
        for each in statements:
            connection.exec_driver_sql(each)


def differences(connection: Connection) -> list[object]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    mine = {"include_name": lambda name, kind, _: kind != "table" or name in TABLES}
    return list(compare_metadata(MigrationContext.configure(connection, opts=mine), METADATA))


def test_migrations_make_exactly_the_tables(opened: Opened) -> None:
    counting(opened).close()
    with closing(opened()) as database, database.reading() as connection:
        assert differences(connection) == []
        assert set(inspect(connection).get_table_names()) > TABLES
        assert database.version_of(USAGE_SCHEMA) == USAGE_SCHEMA.versions[-1]


def test_tables_that_were_made_before_there_were_migrations_go_on_with_all_that_is_in_them(opened: Opened) -> None:
    with closing(opened()) as database, database.writing() as connection:
        METADATA.create_all(connection)
        connection.exec_driver_sql("INSERT INTO usage (one, version, zone) VALUES (1, 1, 'America/New_York')")
        connection.exec_driver_sql("INSERT INTO usage_grant (grant_id, last_at, used, sketches) VALUES ('g-1', 77, '', '')")
    with pytest.raises(Unavailable) as caught:
        SqlUsageStore(opened())
    assert caught.value.reason == "USAGE_NOT_READY"  # for a reader: the follower migrates
    with closing(counting(opened)) as store:
        assert store.zone == "America/New_York"
        assert store.last_used(["g-1"]) == {"g-1": 77}
    with closing(opened()) as database, database.reading() as connection:
        assert differences(connection) == []
        assert database.version_of(USAGE_SCHEMA) == "0001"
    with closing(SqlUsageStore(opened())) as reader:
        assert reader.zone == "America/New_York"


def test_p10_tables_of_newer_code_are_refused_to_who_counts_and_to_who_reads(opened: Opened) -> None:
    counting(opened).close()
    changed(opened, f"UPDATE {USAGE_SCHEMA.table} SET version_num = '9999'")
    for zone in ("Asia/Seoul", ""):
        with pytest.raises(ConfigurationError) as caught:
            counting(opened, zone)
        assert caught.value.reason == "USAGE_OTHER_VERSION"


def test_two_that_are_the_first_to_count_make_the_tables_once(opened: Opened) -> None:
    with ThreadPoolExecutor(4) as pool:
        zones = ["Asia/Seoul", "America/New_York", "Europe/Paris", "Asia/Tokyo"]
        stores = list(pool.map(lambda zone: counting(opened, zone), zones))
    assert len({store.zone for store in stores}) == 1
    for each in stores:
        each.close()


def test_a_migration_that_fails_leaves_nothing(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import op

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(op, "create_index", fail)
        with pytest.raises(ZeroDivisionError):
            counting(opened)
    with closing(opened()) as database, database.reading() as connection:
        assert not TABLES & set(inspect(connection).get_table_names())
    counting(opened).close()
