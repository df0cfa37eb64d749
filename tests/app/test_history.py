"""The past is rebuilt from what is kept, exactly or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.adapters.policy_files import store_bundle
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.history import KeptHistory
from munjigi.audit.records import PolicyRecord, ProcessRecord, encode
from munjigi.grants.changes import grant_added, grant_ended, person_changed
from munjigi.kernel.clock import to_rfc3339
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.compile import compile_bundle

HOME = Path(__file__).resolve().parents[2] / "policies"
KIM = EmployeeKey("urn:test", "kim")
GRANT = Grant("g.1", KIM, "cs_agent", "inquiry", 0, 1_000, ("lee",))
LOST = "0" * 64


def bundle_of(comment: str):
    files = {path.relative_to(HOME).as_posix(): path.read_bytes() for path in HOME.glob("*.*")}
    files["policy.csv"] += f"# {comment}\n".encode()
    bundle, problems = compile_bundle(files, comment)
    assert bundle is not None, problems
    return bundle


@pytest.fixture
def kept(tmp_path):
    """A history of two bundles and a lost one (at 100, 200, 300) and three grant revisions (at 50, 150)."""
    one, two = bundle_of("one"), bundle_of("two")
    for bundle in (one, two):
        store_bundle(tmp_path / "policies", bundle)
    store = SqliteStateStore(tmp_path / "state.sqlite")
    store.migrate()
    person = Person("p.1", "employee", "", (KIM,))
    store.apply([person_changed(person), grant_added(GRANT)], at=50, actor="t", request_id="1")
    store.apply([grant_ended(replace(GRANT, ends_at=150))], at=150, actor="t", request_id="2")
    index = SqliteAuditIndex(tmp_path / "index.sqlite")
    records = [
        ProcessRecord(event="start", version="1", policy_revision=one.revision, index=0, time=100),
        PolicyRecord(accepted=True, policy_revision=two.revision, index=1, time=200),
        PolicyRecord(accepted=False, policy_revision=two.revision, index=2, time=210),
        PolicyRecord(accepted=True, policy_revision=LOST, index=3, time=300),
    ]
    index.ingest("log", 0, [encode(record) for record in records])
    yield KeptHistory(tmp_path / "policies", store, index), one, two
    index.close()
    store.close()


def test_each_time_has_the_policy_and_the_grants_that_were_in_force(kept):
    history, one, two = kept
    found = {at: history.at(at) for at in (100, 149, 150, 199, 200, 250)}
    assert [snapshot.bundle.revision for snapshot in found.values()] == [one.revision] * 4 + [two.revision] * 2
    assert [snapshot.grants.revision for snapshot in found.values()] == [2, 2, 3, 3, 3, 3]
    assert found[100].grants.of(KIM) == (GRANT,)
    assert found[250].grants.of(KIM) == (replace(GRANT, ends_at=150),)


def test_p3_what_is_not_kept_has_no_answer_and_says_since_when_there_is_one(kept):
    history, one, _ = kept
    with pytest.raises(FailedPrecondition) as early:
        history.at(99)
    assert early.value.reason == "HISTORY_NOT_KEPT"
    assert to_rfc3339(100) in early.value.message
    for question in (lambda: history.at(300), lambda: history.decided_by(LOST, 1), lambda: history.decided_by(one.revision, 9)):
        with pytest.raises(FailedPrecondition) as lost:
            question()
        assert lost.value.reason == "HISTORY_NOT_KEPT"


def test_the_same_past_is_rebuilt_once(kept):
    history, one, _ = kept
    assert history.decided_by(one.revision, 2).bundle is history.decided_by(one.revision, 3).bundle


def test_where_a_bundle_came_from_stays_as_it_was_first_noted(kept):
    history, one, two = kept
    history.note(one)
    history.note(replace(one, source="elsewhere"))
    assert history.source_of(one.revision) == "one"
    assert history.source_of(two.revision) == ""
