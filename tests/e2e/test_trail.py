"""The trail over all logs: permission records are searched, followed and verified as access records are."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from e2e_asking import SERIAL, question, reason_of
from running import Daemon, Stubs, serving

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.cli.main import run
from munjigi.grants.changes import person_changed
from munjigi.kernel.grant import Person
from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

SECONDS = 60


def officer(daemon: Daemon) -> tuple[tuple[str, str], ...]:
    return daemon.credentials("dpo.yoon", "munjigi-cli")


def tail(daemon: Daemon, stubs: Stubs, **asked: object) -> pb.TailRecordsResponse:
    answer: pb.TailRecordsResponse = stubs.audit.TailRecords(
        pb.TailRecordsRequest(**asked), metadata=officer(daemon), timeout=SECONDS
    )
    return answer


def search(daemon: Daemon, stubs: Stubs, **asked: object) -> pb.SearchRecordsResponse:
    answer: pb.SearchRecordsResponse = stubs.audit.SearchRecords(
        pb.SearchRecordsRequest(**asked), metadata=officer(daemon), timeout=SECONDS
    )
    return answer


def doors(found: pb.SearchRecordsResponse, name: str) -> list[pb.AuditRecord]:
    return [each for each in found.records if each.content["door"] == name]


def check(daemon: Daemon, stubs: Stubs, **changes: object) -> str:
    return str(stubs.decision.Check(question(**changes), metadata=daemon.credentials("cs.kim"), timeout=SECONDS).decision_id)


def test_every_grant_of_the_store_has_its_record(daemon: Daemon, stubs: Stubs) -> None:
    with closing(SqliteStateStore(daemon.state_dir / "state.sqlite")) as store:
        state, log_id = store.load(), store.log_head().log_id
    found = search(daemon, stubs, event_type="permission.grant", page_size=1000)
    assert found.complete
    assert {each.content["grant_id"] for each in found.records} == {grant.grant_id for grant in state.grants}
    assert {each.position.log_id for each in found.records} == {log_id}
    (kim,) = search(daemon, stubs, holder="cs.kim").records
    assert (kim.event_type, kim.content["role"], kim.content["employee"]) == ("permission.grant", "cs_agent", "munjigi.sample")
    verified = stubs.audit.VerifyJournal(pb.VerifyJournalRequest(log_id=log_id), metadata=officer(daemon), timeout=SECONDS)
    assert [(each.log_id, each.intact, each.records) for each in verified.journals] == [(log_id, True, state.grant_revision)]


def test_tail_begins_with_the_newest_and_goes_on_where_it_was(daemon: Daemon, stubs: Stubs) -> None:
    asked = [check(daemon, stubs) for _ in range(5)]
    first = tail(daemon, stubs, last=3, employee="cs.kim")
    assert [each.id for each in first.records] == asked[2:]
    assert not tail(daemon, stubs, position=first.position, employee="cs.kim").records
    more = [check(daemon, stubs) for _ in range(4)]
    second = tail(daemon, stubs, position=first.position, employee="cs.kim")
    assert [each.id for each in second.records] == more
    assert [each.id for each in tail(daemon, stubs, position=first.position, employee="cs.kim").records] == more


def test_tail_waits_for_what_comes_and_not_for_itself(daemon: Daemon, stubs: Stubs) -> None:
    position = tail(daemon, stubs).position
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(tail, daemon, stubs, position=position, wait_seconds=20)
        also = threads.submit(tail, daemon, stubs, position=position, wait_seconds=20, decision="DECISION_DENY")
        assert not tail(daemon, stubs, position=position, wait_seconds=1).records
        allowed, denied = check(daemon, stubs), check(daemon, stubs, fields=["resident_number"])
        assert allowed in [each.id for each in waiting.result(SECONDS).records]
        assert [each.id for each in also.result(SECONDS).records] == [denied]
    assert search(daemon, stubs, employee="dpo.yoon", resource="munjigi.audit").records[0].content["door"] in (
        "TailRecords",
        "SearchRecords",
    )


def test_tail_has_all_logs(daemon: Daemon, stubs: Stubs) -> None:
    position = tail(daemon, stubs).position
    with closing(SqliteStateStore(daemon.state_dir / "state.sqlite")) as store:
        person = Person("p.tail", "contractor", "tail", ())
        store.apply([person_changed(person)], at=time.time_ns(), actor="tester", request_id="t")
    found = tail(daemon, stubs, position=position, wait_seconds=20, employee="tester")
    assert [(each.event_type, each.content["person_id"]) for each in found.records] == [("permission.person", "p.tail")]


def test_a_member_is_found_by_serial_and_the_serial_is_not_recorded(daemon: Daemon, stubs: Stubs) -> None:
    position = tail(daemon, stubs).position
    asked = check(daemon, stubs, member_ids=["2000787"])
    check(daemon, stubs)
    assert [each.id for each in tail(daemon, stubs, position=position, member_id="2000787").records] == [asked]
    found = search(daemon, stubs, member_id="2000787", resource="crm.member").records
    assert [each.id for each in found] == [asked]
    # Looking for the member is an access that names the member, by the same reference.
    looked = search(daemon, stubs, member_id="2000787").records[0]
    assert (looked.content["resource"], looked.content["members"]) == ("munjigi.audit", found[0].content["members"])
    for each in search(daemon, stubs, employee="dpo.yoon", page_size=200).records:
        assert "2000787" not in str(each)


@pytest.mark.parametrize("name", ["TailRecords", "SearchRecords"])
def test_who_may_not_read_the_trail_is_denied_and_that_is_recorded(daemon: Daemon, stubs: Stubs, name: str) -> None:
    request = {"TailRecords": pb.TailRecordsRequest(last=5), "SearchRecords": pb.SearchRecordsRequest()}[name]
    with pytest.raises(grpc.RpcError) as refused:
        getattr(stubs.audit, name)(request, metadata=daemon.credentials("cs.kim"), timeout=SECONDS)
    assert reason_of(refused.value)[0] is grpc.StatusCode.PERMISSION_DENIED
    last = search(daemon, stubs, employee="cs.kim", page_size=1).records[0]
    assert (last.content["door"], last.content["decision"], last.content["own"]) == (name, "DENY", True)


@pytest.mark.parametrize("position", ["x", "gqFh", "~~~", "gA", "A" * 8192])
def test_a_position_that_is_none_is_refused(daemon: Daemon, stubs: Stubs, position: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        tail(daemon, stubs, position=position)
    assert reason_of(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, "POSITION_INVALID")


def test_a_waiting_tail_does_not_hold_up_the_stop_and_its_position_holds_afterwards(tmp_path: Path) -> None:
    state = tmp_path / "var"
    with serving(state) as daemon, daemon.channel() as channel:
        stubs = Stubs(channel)
        position = tail(daemon, stubs).position
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(tail, daemon, stubs, position=position, wait_seconds=20, event_type="policy.load")
            while len(doors(search(daemon, stubs, resource="munjigi.audit"), "TailRecords")) < 2:
                time.sleep(0.05)
            assert daemon.stop() == 0
            assert not waiting.result(SECONDS).records
    with serving(state) as daemon, daemon.channel() as channel:
        asked = check(daemon, Stubs(channel))
        found = tail(daemon, Stubs(channel), position=position, wait_seconds=20)
        assert asked in [each.id for each in found.records]
        assert {"process.event"} <= {each.event_type for each in found.records}


def test_a_grant_that_no_record_gave_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "var"
    with serving(state):
        pass
    assert run(["audit", "verify", "--state-dir", str(state)]) == 0
    with closing(sqlite3.connect(state / "state.sqlite")) as connection:
        connection.execute("UPDATE role_grant SET ends_at = ends_at + 1 WHERE grant_id LIKE 'g.cs.kim%'")
        connection.commit()
    capsys.readouterr()
    assert run(["audit", "verify", "--state-dir", str(state)]) == 5
    assert "STATE_DIFFERS at state.sqlite" in " ".join(capsys.readouterr().out.split())


def test_the_command_shows_and_names_a_member_nowhere(daemon: Daemon, stubs: Stubs, capsys: pytest.CaptureFixture[str]) -> None:
    asked = check(daemon, stubs)
    common = ["--grpc-address", daemon.grpc_address, "--state-dir", str(daemon.state_dir), "--as", "dpo.yoon"]
    assert run(["audit", "tail", "--last", "2", "--employee", "cs.kim", *common]) == 0
    shown = capsys.readouterr().out
    assert asked in shown
    assert "read crm.member" in shown
    assert SERIAL not in shown
    assert run(["audit", "search", "--holder", "cs.kim", "-o", "ndjson", *common]) == 0
    assert '"permission.grant"' in capsys.readouterr().out


@pytest.mark.parametrize("field", [b"\x0a", b"\x22", b"\x32"])
def test_a_search_for_what_is_not_utf8_is_refused(daemon: Daemon, stubs: Stubs, field: bytes) -> None:
    call = stubs.channel.unary_unary("/munjigi.v1.AuditService/SearchRecords", _registered_method=False)
    with pytest.raises(grpc.RpcError) as refused:
        call(field + b"\x03cs\xff", metadata=daemon.credentials("dpo.yoon", "munjigi-cli"))
    assert reason_of(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_MALFORMED")
