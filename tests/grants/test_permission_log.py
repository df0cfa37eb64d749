"""The log of permission records: each change is one record in the same transaction, and any damage is found at its place."""

from __future__ import annotations

import json
import sqlite3
import typing
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grants.conformance_state import ALICE, BOB, GRANT, KIM, put
from hypothesis import given
from hypothesis import strategies as st

from doubles.index_memory import MemoryAuditIndex
from doubles.state_memory import MemoryStateStore
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.audit.follow import Epochs, follow_once
from munjigi.audit.permission_records import GrantAddedRecord, GrantChangedRecord, GrantEndedRecord, PersonRecord
from munjigi.audit.records import decode
from munjigi.audit.verify import Sealed, Verification
from munjigi.grants.changes import (
    BlockEdit,
    Change,
    GrantEdit,
    GrantKind,
    PersonEdit,
    PersonEvent,
    RequestChange,
    RequestEdit,
    grant_added,
    grant_changed,
    grant_ended,
    person_changed,
)
from munjigi.grants.permission_log import PermissionLog, rows_of
from munjigi.grants.ports import LogRow, PermissionRows, StateStore
from munjigi.grants.records import change_of, record_of
from munjigi.grants.verification import verify_permissions
from munjigi.kernel.access_request import AccessRequest, Vote
from munjigi.kernel.errors import Corruption, Unavailable
from munjigi.kernel.grant import Block, Delegation, Fact, Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey

EDITS = (
    person_changed(ALICE),
    person_changed(BOB),
    grant_added(GRANT),
    grant_changed(replace(GRANT, ends_at=300, scope=None)),
    grant_ended(replace(GRANT, ends_at=150, scope=None)),
)
_text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12)
_time = st.integers(0, 2**63 - 1)
_keys = st.builds(EmployeeKey, _text, _text)
_scopes = st.none() | st.builds(Scope, st.lists(_text, max_size=2).map(tuple), st.lists(_text, max_size=2).map(tuple))
_names = st.lists(_text, max_size=2).map(tuple)
_since = (_text, _text, _text, st.booleans())  # request, suspended, ended, break-glass
_grants = st.builds(Grant, _text, _keys, _text, _text, _time, _time, _names, _scopes, *_since)
_facts = st.lists(st.builds(Fact, _text, _time, _time, _text, _time), max_size=2).map(tuple)
_deputies = st.lists(st.builds(Delegation, _text, _time, _time), max_size=2).map(tuple)
_people = st.builds(
    Person,
    _text,
    st.sampled_from(["employee", "service"]),
    _text,
    st.lists(_keys, max_size=2).map(tuple),
    _facts,
    st.sampled_from(["active", "leave", "left"]),
    _text,
    _deputies,
    _time,
    _time,
)
_votes = st.lists(st.builds(Vote, st.integers(0, 9), _text, _text, _text, _text, st.booleans(), _text, _time), max_size=2)
_requests = st.builds(
    AccessRequest,
    _text,
    st.sampled_from(["new", "renew", "change", "break_glass"]),
    _keys,
    _text,
    _keys,
    *(_text, _text, _text, _text),
    _scopes,
    _time,
    _time,
    st.integers(0, 36_500),
    *(_text, _text, _text),
    _names,
    _time,
    _time,
    st.sampled_from(["requested", "approved", "denied", "withdrawn", "superseded"]),
    st.integers(0, 9),
    _votes.map(tuple),
)
_edits = st.one_of(
    st.builds(GrantEdit, st.sampled_from(typing.get_args(GrantKind)), _grants, _text, _text),
    st.builds(PersonEdit, st.just("person_changed"), _people, st.sampled_from(typing.get_args(PersonEvent)), _text),
    st.builds(RequestEdit, st.sampled_from(typing.get_args(RequestChange)), _requests),
    st.builds(
        BlockEdit,
        st.sampled_from(["principal_blocked", "principal_unblocked"]),
        st.builds(Block, st.sampled_from(["person", "tool"]), _text),
        _text,
    ),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[StateStore]:
    made: StateStore = MemoryStateStore() if request.param == "memory" else SqliteStateStore(path)
    made.migrate()
    yield made
    made.close()


def filled(path: Path) -> SqliteStateStore:
    store = SqliteStateStore(path)
    store.migrate()
    for edit in EDITS:
        put(store, edit)
    return store


@given(st.builds(Change, st.integers(1, 2**62), _time, st.booleans(), _text, _text, _edits, _text))
def test_a_change_comes_back_from_its_record(change: Change) -> None:
    (row,) = rows_of([change], bytes(32))
    assert change_of(row) == change
    assert (row.index, row.at) == (change.grant_revision - 1, change.at)


def test_every_change_is_one_record_of_its_own_type(store: StateStore) -> None:
    for edit in EDITS:
        put(store, edit)
    found = [decode(payload) for _, payload in PermissionLog(store).read(0, 10)]
    assert [type(each) for each in found] == [PersonRecord, PersonRecord, GrantAddedRecord, GrantChangedRecord, GrantEndedRecord]
    assert [each.index for each in found] == [0, 1, 2, 3, 4]
    added = found[2]
    assert isinstance(added, GrantAddedRecord)
    assert (added.employee, added.request_id, added.grant_revision) == ("tester", "r", 3)
    assert (added.holder_issuer, added.holder, added.role, added.approved_by) == (*KIM, "cs_agent", ("lee", "yoon"))


def test_a_refused_change_leaves_no_record(store: StateStore) -> None:
    put(store, EDITS[0])
    before = store.log_head()
    with pytest.raises(Exception, match="person") as caught:
        put(store, EDITS[1], grant_added(replace(GRANT, employee=EmployeeKey("urn:test", "nobody"))))
    assert caught.value is not None
    assert store.log_head() == before
    assert store.log_rows(1, 10) == []


def test_a_log_is_read_by_cursor_and_keeps_its_id(store: StateStore) -> None:
    log = PermissionLog(store)
    assert log.read(0, 10) == []
    put(store, *EDITS[:3])
    assert [index for index, _ in log.read(0, 2)] == [0, 1]
    assert [index for index, _ in log.read(2, 10)] == [2]
    assert log.read(3, 10) == []
    epoch = log.epoch()
    put(store, EDITS[3])
    assert log.epoch() == epoch
    assert [index for index, _ in log.read(3, 10)] == [3]
    log.settle()
    assert PermissionLog(store).log_id == log.log_id


def test_ids_are_of_the_store_and_survive_reopening(path: Path, tmp_path: Path) -> None:
    with closing(filled(path)) as store:
        first = store.log_head().log_id
    with closing(SqliteStateStore(path)) as store, closing(filled(tmp_path / "other.sqlite")) as other:
        assert store.log_head().log_id == first != other.log_head().log_id


def test_a_reader_of_the_file_makes_and_changes_nothing(path: Path, tmp_path: Path) -> None:
    with closing(SqliteStateStore(path, read_only=True)) as reader, pytest.raises(Unavailable):
        reader.log_head()
    assert list(tmp_path.iterdir()) == []
    filled(path).close()
    before = path.read_bytes()
    with closing(SqliteStateStore(path, read_only=True)) as reader:
        assert verified(reader).intact
        with pytest.raises(Unavailable):
            put(reader, EDITS[0])
    assert path.read_bytes() == before
    left = {each.name: each.stat() for each in tmp_path.iterdir() if each != path}  # SQLite's own, for other readers
    assert set(left) <= {"state.sqlite-wal", "state.sqlite-shm"}
    assert all(each.st_mode & 0o777 == 0o600 and each.st_uid == path.stat().st_uid for each in left.values())


def test_records_are_never_changed_by_mistake(path: Path) -> None:
    with closing(filled(path)), closing(sqlite3.connect(path)) as connection:
        for sql in ("DELETE FROM permission_log", "UPDATE permission_log SET at = 1"):
            with pytest.raises(sqlite3.IntegrityError, match="never changed"):
                connection.execute(sql)


def test_the_index_follows_a_store_that_was_put_back(path: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.sqlite"
    index, seen = MemoryAuditIndex(), Epochs()
    with closing(filled(path)) as store, closing(sqlite3.connect(backup)) as kept:
        with closing(sqlite3.connect(path)) as source:
            source.backup(kept)
        put(store, person_changed(replace(BOB, department="one")))
        log = PermissionLog(store)
        assert follow_once([log], index, 100, seen) == 6
        with closing(sqlite3.connect(path)) as target:
            kept.backup(target)
        assert follow_once([log], index, 100, seen) == 0
        assert index.cursor(log.log_id) == 5
        put(store, person_changed(replace(BOB, department="two")))
        assert follow_once([log], index, 100, seen) == 1
        assert [index.payload(log.log_id, each) for each in range(7)] == [*(p for _, p in log.read(0, 10)), None]


def test_one_log_that_is_damaged_does_not_hold_up_the_others(path: Path) -> None:
    good = MemoryStateStore()
    put(good, *EDITS)
    index = MemoryAuditIndex()
    with closing(filled(path)) as bad:
        damage(path, "UPDATE permission_log SET chain = zeroblob(32) WHERE grant_revision = 2")
        with pytest.raises(Corruption, match="record 1"):
            follow_once([PermissionLog(bad), PermissionLog(good)], index, 100, {})
    assert index.cursor("m" * 20) == 5


# verification


def verified(store: PermissionRows, sealed: Sealed | None = None) -> Verification:
    (found,) = verify_permissions(store, {store.log_head().log_id: sealed} if sealed is not None else {})
    return found


def test_an_undamaged_log_is_intact_at_any_length(store: StateStore) -> None:
    assert verified(store).intact
    for count, edit in enumerate(EDITS, 1):
        put(store, edit)
        found = verified(store)
        assert (found.intact, found.records, found.chain, found.log_id) == (
            True,
            count,
            store.log_head().chain.hex(),
            store.log_head().log_id,
        )


def damage(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for what in ("update", "delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS permission_log_no_{what}")
        for sql in statements:
            connection.execute(sql)
        connection.commit()


MOVED = "UPDATE permission_log SET grant_revision = -grant_revision; "
TAMPERED = [
    ("UPDATE permission_log SET payload = x'80' WHERE grant_revision = 2", 1, "RECORD_UNREADABLE"),
    ("UPDATE permission_log SET payload = CAST(replace(payload, x'796f6f6e', x'796f6f6f') AS BLOB) WHERE grant_revision = 3", 2, "CHAIN_BROKEN"),
    ("UPDATE permission_log SET chain = zeroblob(32) WHERE grant_revision = 4", 3, "CHAIN_BROKEN"),
    ("UPDATE permission_log SET at = at + 1 WHERE grant_revision = 4", 3, "RECORD_UNREADABLE"),
    ("DELETE FROM permission_log WHERE grant_revision = 1", 0, "INDEX_NOT_DENSE"),
    ("DELETE FROM permission_log WHERE grant_revision = 3", 2, "INDEX_NOT_DENSE"),
    ("DELETE FROM permission_log WHERE grant_revision = 5", 4, "INDEX_NOT_DENSE"),
    ("DELETE FROM permission_log", 0, "INDEX_NOT_DENSE"),
    ("UPDATE head SET chain = zeroblob(32)", 5, "CHAIN_BROKEN"),
    ("DELETE FROM head", 0, "STATE_UNREADABLE"),
    ("UPDATE role_grant SET ends_at = 99999", 5, "STATE_DIFFERS"),
    ("UPDATE role_grant SET role = 'cs_manager'", 5, "STATE_DIFFERS"),
    ("UPDATE role_grant SET approved_by = '[]'", 5, "STATE_DIFFERS"),
    ("UPDATE role_grant SET scope = '[['", 0, "STATE_UNREADABLE"),
    ("DELETE FROM role_grant", 5, "STATE_DIFFERS"),
    ("DELETE FROM fact", 5, "STATE_DIFFERS"),
    ("UPDATE person SET department = 'x' WHERE person_id = 'p.lee'", 5, "STATE_DIFFERS"),
    ("INSERT INTO person (person_id, principal_type, department) VALUES ('p.ghost', 'employee', '')", 5, "STATE_DIFFERS"),
    ("INSERT INTO role_grant SELECT 'g.ghost', issuer, subject, role, purpose, 0, 9, '[]', NULL, '', '', '', 0 FROM role_grant", 5, "STATE_DIFFERS"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "index", "problem"), TAMPERED, ids=[f"{sql[:60]}" for sql, _, _ in TAMPERED])
def test_tampering_is_found_at_its_row(path: Path, sql: str, index: int, problem: str) -> None:
    with closing(filled(path)) as store:
        damage(path, sql)
        found = verified(store)
    # A row that differs shows when the state is made anew, after the last one that the state has.
    assert (found.intact, found.problem, found.index, found.file) == (False, problem, index, "state.sqlite")


def chained_anew(path: Path, change: Callable[[list[LogRow]], list[LogRow]]) -> SqliteStateStore:
    """A log of which an attacker made every row and the head anew, after `change`."""
    import hashlib

    store = filled(path)
    rows, chain = change(store.log_rows(0, 10)), bytes(32)
    damage(path, "DELETE FROM permission_log")
    with closing(sqlite3.connect(path)) as connection:
        for row in rows:
            chain = hashlib.sha256(chain + hashlib.sha256(b"\x00" + row.payload).digest()).digest()
            connection.execute("INSERT INTO permission_log VALUES (?, ?, ?, ?)", (row.grant_revision, row.at, row.payload, chain))
        connection.execute("UPDATE head SET chain = ?, grant_revision = ?", (chain, len(rows)))
        connection.commit()
    return store


def leaves(path: Path) -> Sealed:
    import hashlib

    with closing(filled(path)) as store:
        rows = store.log_rows(0, 10)
    return Sealed(len(rows), b"".join(hashlib.sha256(b"\x00" + row.payload).digest() for row in rows))


def test_a_log_that_was_made_anew_is_told_by_the_seal(path: Path, tmp_path: Path) -> None:
    sealed = leaves(tmp_path / "before.sqlite")

    def other_actor(rows: list[LogRow]) -> list[LogRow]:
        changed = change_of(rows[1])._replace(actor="intruder")
        return [rows[0], rows_of([changed], bytes(32))[0], *rows[2:]]

    with closing(chained_anew(path, other_actor)) as store:
        assert verified(store).intact  # chain and state agree: only the seal knows better
        found = verified(store, sealed)
    assert (found.problem, found.index) == ("RECORD_NOT_AS_SEALED", 1)


def test_a_log_that_was_rolled_back_is_told_by_the_seal(path: Path, tmp_path: Path) -> None:
    sealed = leaves(tmp_path / "before.sqlite")
    with closing(SqliteStateStore(path)) as store:
        store.migrate()
        put(store, EDITS[0])
        assert verified(store).intact
        found = verified(store, sealed)
    assert (found.problem, found.index) == ("SHORTER_THAN_SEALED", 1)


def test_a_change_that_the_rules_refuse_is_found(path: Path) -> None:
    def twice(rows: list[LogRow]) -> list[LogRow]:
        again = change_of(rows[2])._replace(grant_revision=6, at=2_000)
        return [*rows, rows_of([again], bytes(32))[0]]

    with closing(chained_anew(path, twice)) as store:
        found = verified(store)
    assert (found.problem, found.index) == ("RECORD_REFUSED", 5)


# migration of a store that was written before the log was


def old_store(path: Path) -> list[Change]:
    """Write a file as version 0001 had it; return its changes."""
    from sqlalchemy import create_engine

    from munjigi.adapters.state.migrate import upgrade

    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection, "0001")
    engine.dispose()
    path.chmod(0o600)
    edits = (
        *EDITS,
        person_changed(replace(BOB, accounts=(), principal_type="service")),
        grant_added(replace(GRANT, grant_id="g.2", approved_by=(), scope=Scope((), ()))),
    )
    changes = [
        Change(number, 10 * number, number == 2, "lee" if number % 2 else "", "r" if number > 3 else "", edit)
        for number, edit in enumerate(edits, 1)
    ]
    with closing(sqlite3.connect(path)) as connection:
        for change in changes:
            text = json.dumps(edit_of(change))
            values = (change.grant_revision, change.at, int(change.clock_stepped), change.actor, change.request_id, text)
            connection.execute("INSERT INTO revision_log VALUES (?, ?, ?, ?, ?, ?)", values)
        connection.execute("UPDATE head SET grant_revision = ?, at = ?", (len(changes), changes[-1].at))
        connection.commit()
    return changes


def edit_of(change: Change) -> dict[str, Any]:
    """An edit as version 0001 wrote it: defaults of the outer object left out, dataclasses whole."""
    edit = change.edit
    if isinstance(edit, GrantEdit):
        grant = edit.grant
        return {"kind": edit.kind, "grant": {name: getattr(grant, name) for name in Grant.__slots__}}
    return {"kind": edit.kind, "person": {name: getattr(edit.person, name) for name in Person.__slots__}}


def test_a_store_of_the_first_version_keeps_its_changes(path: Path) -> None:
    changes = old_store(path)
    with closing(SqliteStateStore(path)) as store:
        store.migrate()
        assert store.changes_since(0) == changes
        found = PermissionLog(store).read(0, 100)  # which checks the chain
        assert [decode(payload) for _, payload in found] == [record_of(change) for change in changes]
        assert store.revision_at(35) == 3
        put(store, person_changed(replace(BOB, department="new")))
        assert store.revision() == len(changes) + 1
