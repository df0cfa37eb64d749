"""Grants change in the store; the gateway follows its revision log."""

from __future__ import annotations

import time
from pathlib import Path

from e2e_asking import question
from running import Daemon, Stubs, serving

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import Edit, grant_added, grant_ended, person_changed
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EMBEDDED_ISSUER, EmployeeKey
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


def apply(daemon: Daemon, *edits: Edit) -> int:
    store = SqliteStateStore(daemon.state_dir / "state.sqlite")
    try:
        return store.apply(edits, at=time.time_ns(), actor="test", request_id="test")
    finally:
        store.close()


def verdict_at(daemon: Daemon, employee: str, revision: int) -> pb.CheckResponse:
    """Ask until the gateway answers by this grant revision."""
    deadline = time.monotonic() + 10
    metadata = daemon.credentials(employee)
    with daemon.channel() as channel:
        stub = Stubs(channel).decision
        while (answer := stub.Check(question(), metadata=metadata)).grant_revision < revision:
            assert time.monotonic() < deadline, daemon.text
            time.sleep(0.02)
    return answer


def test_p8_a_grant_that_ended_in_the_store_allows_nothing_from_that_revision_on(tmp_path: Path) -> None:
    with serving(tmp_path / "var") as daemon:
        store = SqliteStateStore(daemon.state_dir / "state.sqlite")
        kim = next(grant for grant in store.load().grants if grant.employee.subject == "cs.kim")
        store.close()
        assert verdict_at(daemon, "cs.kim", 1).decision == pb.DECISION_ALLOW
        now = time.time_ns()
        ended = Grant(kim.grant_id, kim.employee, kim.role, kim.purpose, kim.starts_at, now, kim.approved_by)
        revision = apply(daemon, grant_ended(ended))
        began = time.monotonic()
        answer = verdict_at(daemon, "cs.kim", revision)
        assert (answer.decision, answer.reason, answer.grant_revision) == (pb.DECISION_DENY, "GRANT_EXPIRED", revision)
        assert time.monotonic() - began < 5


def test_a_grant_begins_and_ends_by_itself_half_open(tmp_path: Path) -> None:
    with serving(tmp_path / "var") as daemon:
        temp = EmployeeKey(EMBEDDED_ISSUER, "temp.seo")
        store = SqliteStateStore(daemon.state_dir / "state.sqlite")
        facts = next(person for person in store.load().people if person.person_id == "p.cs.kim").facts
        store.close()
        begins = time.time_ns() + 2 * SECOND
        revision = apply(
            daemon,
            person_changed(Person("p.temp", "employee", "customer-service", (temp,), facts)),
            grant_added(Grant("g.temp", temp, "cs_agent", "inquiry", begins, begins + 2 * SECOND, ("cs.lee",))),
        )
        assert verdict_at(daemon, "temp.seo", revision).reason == "GRANT_NOT_STARTED"
        seen = []
        metadata = daemon.credentials("temp.seo")
        with daemon.channel() as channel:
            stub = Stubs(channel).decision
            while time.time_ns() < begins + 3 * SECOND:
                before = time.time_ns()
                answer = stub.Check(question(), metadata=metadata)
                seen.append((before, answer.decision == pb.DECISION_ALLOW, time.time_ns()))
                time.sleep(0.05)
        for before, allowed, after in seen:
            if after < begins or before >= begins + 2 * SECOND:
                assert not allowed
            if before >= begins and after < begins + 2 * SECOND:
                assert allowed
        assert any(allowed for _, allowed, _ in seen)
