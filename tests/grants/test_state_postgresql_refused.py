"""A database that may lose a commit, that others could read on the way, or whose account can do too little or too much, is refused."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from grants.conformance_state import ALICE, BOB, GRANT, put
from grants.postgresql_kit import DATABASE, opened, wait_until
from postgresql import PASSWORD, PostgresqlServer

from munjigi.adapters.identity.authority import init_tls
from munjigi.adapters.state.postgresql import PostgresqlStateStore
from munjigi.adapters.state.schema import SCHEMA_VERSIONS
from munjigi.adapters.usage.schema import USAGE_SCHEMA
from munjigi.adapters.usage.store import SqlUsageStore
from munjigi.grants.changes import grant_added, person_changed
from munjigi.kernel.errors import ConfigurationError, Unavailable
from munjigi.review.ports import LogMark, Taken

pytestmark = pytest.mark.servers


@pytest.mark.parametrize(("setting", "value"), [("synchronous_commit", "off"), ("fsync", "off"), ("full_page_writes", "off")])
def test_p1_a_server_that_may_lose_a_commit_is_refused(server: PostgresqlServer, setting: str, value: str) -> None:
    with server.admin() as admin:
        admin.execute(f"ALTER SYSTEM SET {setting} = {value}")
        admin.execute("SELECT pg_reload_conf()")
        try:
            wait_until(lambda: admin.execute(f"SHOW {setting}").fetchone() == (value,))
            with closing(PostgresqlStateStore(server.address(DATABASE))) as store:
                with pytest.raises(ConfigurationError, match=f"set {setting} = on") as caught:
                    store.migrate()
                assert caught.value.reason == "STATE_NOT_DURABLE"
        finally:
            admin.execute(f"ALTER SYSTEM RESET {setting}")
            admin.execute("SELECT pg_reload_conf()")
            wait_until(lambda: admin.execute(f"SHOW {setting}").fetchone() == ("on",))


def test_p1_an_account_that_does_not_wait_for_the_disk_is_refused(server: PostgresqlServer) -> None:
    with server.admin() as admin:
        admin.execute(f"ALTER DATABASE {DATABASE} SET synchronous_commit = off")
        with closing(PostgresqlStateStore(server.address(DATABASE))) as store, pytest.raises(ConfigurationError):
            store.migrate()


def test_p10_an_account_that_may_not_make_tables_is_told_so(server: PostgresqlServer, store: PostgresqlStateStore) -> None:
    with server.admin(DATABASE) as admin:
        admin.execute("DROP ROLE IF EXISTS other")
        admin.execute(f"CREATE ROLE other LOGIN PASSWORD '{PASSWORD}'")
    with closing(PostgresqlStateStore(server.address(DATABASE, "other"))) as other, pytest.raises(ConfigurationError) as caught:
        other.migrate()
    assert caught.value.reason == "STATE_NOT_PERMITTED"


def test_the_accounts_of_the_documentation_are_enough_and_can_not_change_a_record(server: PostgresqlServer) -> None:
    document = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8").partition("## State in PostgreSQL")[2]
    accounts, rights = (part.partition("```")[0] for part in document.split("```sql\n")[1:3])
    with server.admin() as admin:
        admin.execute("DROP DATABASE IF EXISTS munjigi WITH (FORCE)")
        admin.execute("DROP ROLE IF EXISTS munjigi_owner")
        for statement in accounts.replace("CREATE ROLE munjigi LOGIN;", "").split(";"):  # the tests' account has that name
            admin.execute(statement)
        admin.execute(f"ALTER ROLE munjigi_owner PASSWORD '{PASSWORD}'")
    with closing(opened(server.address("munjigi", "munjigi_owner"))) as store:
        store.bring(USAGE_SCHEMA)  # as a start does
    with server.admin("munjigi") as admin:
        admin.execute("SET ROLE munjigi_owner")
        for statement in rights.split(";"):
            admin.execute(statement)
    with closing(opened(server.address("munjigi"))) as store:
        assert put(store, person_changed(ALICE), grant_added(GRANT)) == 2
        store.begin_log("a" * 20)
        assert put(store, person_changed(BOB)) == 3
        assert store.load() == store.load_at(3)
        for forbidden in ("DELETE FROM permission_log", "DELETE FROM alembic_version", "DELETE FROM usage_version"):
            with store._transaction("write") as connection, pytest.raises(Exception, match="permission denied"):
                connection.exec_driver_sql(forbidden)
    with closing(SqlUsageStore(PostgresqlStateStore(server.address("munjigi")), zone="Asia/Seoul")) as usage:
        mark = LogMark("a" * 20, 1, 1, 1, 1, 1)
        assert usage.take(Taken(0, mark, {}, {}))
        assert usage.marks() == (mark,)
    with server.admin("munjigi") as admin:
        admin.execute("UPDATE munjigi.alembic_version SET version_num = %s", [SCHEMA_VERSIONS[-2]])
    with closing(PostgresqlStateStore(server.address("munjigi"))) as store, pytest.raises(ConfigurationError) as caught:
        store.migrate()
    assert caught.value.reason == "STATE_NOT_PERMITTED"


def test_p10_a_database_in_another_encoding_is_refused(server: PostgresqlServer) -> None:
    with server.admin() as admin:
        admin.execute("DROP DATABASE IF EXISTS latin")
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    with closing(PostgresqlStateStore(server.address("latin"))) as store, pytest.raises(ConfigurationError) as caught:
        store.migrate()
    assert caught.value.reason == "STATE_ENCODING"


def test_a_wrong_password_is_said_in_the_servers_words(server: PostgresqlServer, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.touch(0o600)
    wrong.write_text("wrong\n")
    with closing(PostgresqlStateStore(replace(server.address(DATABASE), password_file=wrong))) as store:
        with pytest.raises(Unavailable, match="password authentication failed") as caught:
            store.migrate()
        assert caught.value.reason == "STATE_UNREACHABLE"
        wrong.write_text(PASSWORD)  # read anew for each connection
        store.migrate()


def test_p10_nothing_is_said_to_a_server_without_the_right_certificate(server: PostgresqlServer, tmp_path: Path) -> None:
    """The wheel's server has no TLS at all: then nothing is said, either."""
    wrong = init_tls(tmp_path, (), now=time.time_ns()).authority
    said = "certificate verify failed" if server.debian else "does not support SSL"
    address = replace(server.address(DATABASE), authority=wrong)
    with closing(PostgresqlStateStore(address)) as store, pytest.raises(Unavailable, match=said):
        store.migrate()


def test_tls_is_used_where_an_authority_is_named(server: PostgresqlServer) -> None:
    if not server.debian:
        pytest.skip("the wheel's PostgreSQL is built without TLS; `make test-matrix` runs this with Debian's")
    with closing(PostgresqlStateStore(server.address(DATABASE))) as store:
        assert store.look().tls
