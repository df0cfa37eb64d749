"""People through a running daemon: who may, what an event does at once, lists in CSV, and what is recorded of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import psutil
import pytest
from running import Daemon, Stubs, serving

from munjigi_client._proto.munjigi.v1 import decision_pb2, revocation_pb2
from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

TOOL = "munjigi-cli"


def people(daemon: Daemon, *arguments: str, who: str = "dpo.yoon") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MUNJIGI_STATE_DIR": str(daemon.state_dir), "MUNJIGI_GRPC_ADDRESS": daemon.grpc_address}
    return subprocess.run(
        [sys.executable, "-m", "munjigi.cli.main", "people", *arguments, "--as", who],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory):
    with serving(tmp_path_factory.mktemp("people") / "var") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def stubs(daemon: Daemon):
    with daemon.channel() as channel:
        yield Stubs(channel)


def apply(daemon: Daemon, stubs: Stubs, kind: int, person_id: str, who: str = "dpo.yoon", **more: object):
    request = pb.ApplyPersonnelEventRequest(kind=kind, person_id=person_id, **more)
    return stubs.grant.ApplyPersonnelEvent(request, metadata=daemon.credentials(who, TOOL), timeout=30)


def refused(daemon: Daemon, stubs: Stubs, kind: int, person_id: str, who: str = "dpo.yoon", **more: object) -> tuple[object, str]:
    with pytest.raises(grpc.RpcError) as caught:
        apply(daemon, stubs, kind, person_id, who, **more)
    return caught.value.code(), caught.value.details()


def allowed(
    daemon: Daemon, stubs: Stubs, who: str, purpose: str = "inquiry", case: str = "CS-2026-000123", tool: str = "crm-desk"
) -> bool:
    question = decision_pb2.CheckRequest(
        resource="crm.member", fields=["name"], purpose=purpose, case_id=case, member_ids=["1000001"]
    )
    try:
        answer = stubs.decision.Check(question, metadata=daemon.credentials(who, tool), timeout=30)
    except grpc.RpcError as error:  # who has left is not even signed in any more
        if "session of this token has ended" not in error.details():
            raise
        return False
    return answer.decision == decision_pb2.DECISION_ALLOW


def records(daemon: Daemon, event_type: str) -> list[dict[str, object]]:
    environment = {**os.environ, "MUNJIGI_STATE_DIR": str(daemon.state_dir), "MUNJIGI_GRPC_ADDRESS": daemon.grpc_address}
    command = [sys.executable, "-m", "munjigi.cli.main", "audit", "search", "--as", "dpo.yoon", "--event-type", event_type]
    done = subprocess.run([*command, "-o", "json"], env=environment, capture_output=True, text=True, check=True, timeout=60)
    return [each["content"] for each in json.loads(done.stdout)["records"]]


def test_a_leave_and_a_return_are_felt_at_once(daemon: Daemon, stubs: Stubs):
    assert allowed(daemon, stubs, "cs.kim")
    away = apply(daemon, stubs, pb.PERSONNEL_EVENT_KIND_LEAVE, "p.cs.kim", source="hr", request_id="hr-1")
    assert (away.changed, list(away.suspended_grants), away.person.status) == (
        True,
        ["g.cs.kim.cs_agent"],
        pb.PERSON_STATUS_LEAVE,
    )
    assert not allowed(daemon, stubs, "cs.kim")
    again = apply(daemon, stubs, pb.PERSONNEL_EVENT_KIND_LEAVE, "p.cs.kim", source="hr", request_id="hr-1")
    assert away.acknowledgement.grant_revision > 0
    for each in (again, away):
        each.ClearField("acknowledgement")
    assert again == away  # the same event has the same answer
    other = apply(daemon, stubs, pb.PERSONNEL_EVENT_KIND_LEAVE, "p.cs.kim", source="hr", request_id="hr-2")
    assert not other.changed
    code, _ = refused(daemon, stubs, pb.PERSONNEL_EVENT_KIND_LEAVER, "p.cs.kim", source="hr", request_id="hr-1")
    assert code == grpc.StatusCode.ALREADY_EXISTS
    back = apply(daemon, stubs, pb.PERSONNEL_EVENT_KIND_RETURN, "p.cs.kim", source="hr")
    assert list(back.suspended_grants) == ["g.cs.kim.cs_agent"]
    assert not allowed(daemon, stubs, "cs.kim")  # rule R7: an owner says that the duty is the same
    resume = revocation_pb2.ResumeGrantRequest(grant_id="g.cs.kim.cs_agent", reason="back in the same duty")
    stubs.grant.ResumeGrant(resume, metadata=daemon.credentials("cs.lee", "munjigi-cli"), timeout=30)
    assert allowed(daemon, stubs, "cs.kim")


def test_p8_the_last_allow_of_a_leaver_is_before_the_event_is_acknowledged(daemon: Daemon, stubs: Stubs):
    work = ("fraud_investigation", "FR-2026-0042", "fraud-console")
    assert allowed(daemon, stubs, "fraud.choi", *work)
    began = time.monotonic()
    left = apply(daemon, stubs, pb.PERSONNEL_EVENT_KIND_LEAVER, "p.fraud.choi", source="hr")
    assert not allowed(daemon, stubs, "fraud.choi", *work)
    assert time.monotonic() - began < 5
    assert list(left.ended_grants) == ["g.fraud.choi.fraud_analyst"]
    assert left.person.sessions_from > 0
    ended = [each for each in records(daemon, "permission.revoke") if each["grant_id"] == "g.fraud.choi.fraud_analyst"]
    assert [(each["employee"], each["ended"], each["method"]) for each in ended] == [("dpo.yoon", "left", "personnel")]
    event = next(each for each in records(daemon, "permission.person") if each["person_id"] == "p.fraud.choi")
    assert (event["personnel_event"], event["source"], event["status"]) == ("leaver", "hr", "left")


def test_a_mover_loses_what_the_new_department_does_not_need(daemon: Daemon, stubs: Stubs):
    moved = apply(daemon, stubs, pb.PERSONNEL_EVENT_KIND_MOVER, "p.mkt.park", department="fraud")
    assert list(moved.ended_grants) == ["g.mkt.park.marketing_analyst"]


def test_facts_are_looked_at_by_the_next_decision(daemon: Daemon, stubs: Stubs):
    assert allowed(daemon, stubs, "cs.lee")
    now = time.time_ns()
    fact = pb.Fact(kind="training", starts_at=now - 10**15, ends_at=now)
    apply(daemon, stubs, pb.PERSONNEL_EVENT_KIND_FACTS, "p.cs.lee", facts=[fact], source="sample")
    assert not allowed(daemon, stubs, "cs.lee")
    done = people(daemon, "event", "fact", "p.cs.lee", "--fact", "training", "--until", "2099-01-01", "--source", "sample")
    assert done.returncode == 0, done.stderr
    assert allowed(daemon, stubs, "cs.lee")


@pytest.mark.parametrize(
    ("kind", "person_id", "more", "code", "words"),
    [
        (pb.PERSONNEL_EVENT_KIND_LEAVER, "p.nobody", {}, grpc.StatusCode.NOT_FOUND, "no person of this id"),
        (pb.PERSONNEL_EVENT_KIND_JOINER, "p.cs.lee", {"department": "x"}, grpc.StatusCode.FAILED_PRECONDITION, "is active"),
        (pb.PERSONNEL_EVENT_KIND_LEAVE, "p.dpo.yoon", {}, grpc.StatusCode.FAILED_PRECONDITION, "promise P9"),
        (pb.PERSONNEL_EVENT_KIND_LEAVE, "p.cs.lee", {"effective_at": 2**62}, grpc.StatusCode.INVALID_ARGUMENT, "takes effect"),
        (pb.PERSONNEL_EVENT_KIND_LEAVE, "a b", {}, grpc.StatusCode.INVALID_ARGUMENT, "person_id"),
        (0, "p.cs.lee", {}, grpc.StatusCode.INVALID_ARGUMENT, "kind"),
        (pb.PERSONNEL_EVENT_KIND_LEAVE, "900101-1234567", {}, grpc.StatusCode.INVALID_ARGUMENT, "personnel number"),
    ],
)
def test_what_does_not_fit_is_refused(
    daemon: Daemon, stubs: Stubs, kind: int, person_id: str, more: dict[str, object], code: object, words: str
):
    found = refused(daemon, stubs, kind, person_id, **more)
    assert (found[0], words in found[1]) == (code, True), found
    assert "900101" not in daemon.text


@pytest.mark.parametrize("who", ["cs.kim", "sec.han", "local.operator"])
def test_p3_who_has_no_right_to_operate_changes_and_sees_nobody(daemon: Daemon, stubs: Stubs, who: str):
    assert refused(daemon, stubs, pb.PERSONNEL_EVENT_KIND_LEAVE, "p.cs.lee", who)[0] == grpc.StatusCode.PERMISSION_DENIED
    credentials = daemon.credentials(who, TOOL)
    for method, request in (
        (stubs.grant.ListPeople, pb.ListPeopleRequest()),
        (stubs.grant.GetPerson, pb.GetPersonRequest(person_id="p.cs.lee")),
        (stubs.grant.GetPerson, pb.GetPersonRequest(employee="cs.lee")),
        (stubs.grant.GetPerson, pb.GetPersonRequest(person_id="p.nobody")),
        (stubs.grant.ImportPeople, pb.ImportPeopleRequest(rows=[pb.PersonRow(person_id="p.x")], dry_run=True)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            method(request, metadata=credentials, timeout=30)
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    for request in (pb.GetPersonRequest(), pb.GetPersonRequest(person_id=f"p.{who}"), pb.GetPersonRequest(employee=who)):
        assert stubs.grant.GetPerson(request, metadata=credentials, timeout=30).person.person_id == f"p.{who}"


def test_a_list_is_checked_as_a_whole_and_then_applied(daemon: Daemon, tmp_path: Path):
    listed = tmp_path / "people.csv"
    listed.write_text(
        "person_id,accounts,department,manager,status,training_until\n"
        "e.1,e1;e1.admin,고객상담,e.2,,2027-06-30\n"
        "e.2,e2,고객상담,,active,\n"
        "\n"
        "e.3,e3,fraud,e.2,leave,\n"
        "e.4,,fraud,,left,\n",
        encoding="cp949",
    )
    wrong = people(daemon, "import", str(listed))
    assert (wrong.returncode, "people.csv:2: the line is not UTF-8" in wrong.stderr, "--encoding cp949" in wrong.stderr) == (
        2,
        True,
        True,
    )
    tried = people(daemon, "import", str(listed), "--encoding", "cp949", "--dry-run")
    assert tried.stdout.splitlines() == [
        "2: e.1 joiner, fact",
        "3: e.2 joiner",
        "5: e.3 joiner, leave",
        "4 rows, 3 people would change: 1 fact, 3 joiner, 1 leave; 0 grants end.",
    ], tried.stderr
    assert people(daemon, "show", "e.1").returncode == 1
    done = people(daemon, "import", str(listed), "--encoding", "cp949", "--source", "hr")
    assert (done.returncode, done.stdout.strip()) == (0, "4 rows, 3 people changed: 1 fact, 3 joiner, 1 leave; 0 grants end.")
    again = people(daemon, "import", str(listed), "--encoding", "cp949", "--source", "hr", "-o", "json")
    assert json.loads(again.stdout) == {"rows": 4, "people": 0, "events": {}, "ended_grants": 0}
    shown = people(daemon, "show", "--employee", "e1.admin")
    assert "고객상담" in shown.stdout
    assert "training from" in shown.stdout
    some = json.loads(people(daemon, "list", "--department", "고객상담", "-o", "json").stdout)
    assert [each["person_id"] for each in some["people"]] == ["e.1", "e.2"]
    first = json.loads(people(daemon, "list", "--limit", "2", "-o", "json").stdout)
    assert [each["person_id"] for each in first["people"]] == ["e.1", "e.2"]
    assert first["next_page_token"] == "e.2"
    assert people(daemon, "list", "--status", "leave").stdout.split().count("leave") == 1


def test_all_errors_of_a_list_are_told_with_their_lines_and_nothing_is_changed(daemon: Daemon, tmp_path: Path):
    listed = tmp_path / "people.csv"
    listed.write_text(
        "person_id,accounts,status,manager,pledge_until\n"
        "f.1,f1,active,,\n"
        "f.1,f1,active,,\n"
        "f 2,f2,gone,,soon\n"
        "f.3,f3\n"
        '"f.4",cs.kim,active,f.4,\n'
        "f.5,f5,active,900101-1234567,\n"
    )
    done = people(daemon, "import", str(listed))
    told = [line.split("people.csv:")[1] for line in done.stderr.splitlines() if "people.csv:" in line]
    assert [line.split(".")[0] for line in told] == [
        "3: the person stands in line 2, too; leave one",
        "3: an account stands in line 2, too; it is one person's",
        "4: person_id is 1 to 64 of A-Z a-z 0-9 ",
        "4: status is one of: active, leave, left",
        "4: pledge_until is a day like 2027-06-30, or a time like 2027-06-30T18:00+09:00",
        "5: it has 2 cells and the first line 5; quote cells that hold commas",
        "6: Nobody is their own manager; name another person, or nobody",
        "7: `manager` is a key of 1 to 64 of A-Z a-z 0-9 ",
    ], done.stderr
    assert (done.returncode, "8 errors in" in done.stderr, "900101" in done.stderr) == (1, True, False)
    assert people(daemon, "show", "f.1").returncode == 1
    taken = tmp_path / "taken.csv"
    taken.write_text("person_id,accounts\nf.9,cs.kim\n")
    assert "taken.csv:2: An account belongs to another person" in people(daemon, "import", str(taken)).stderr


def test_p1_an_import_that_is_killed_is_imported_again_and_nothing_is_done_twice(tmp_path: Path):
    rows = 4_000
    listed = tmp_path / "people.csv"
    with listed.open("w") as file:
        file.write("person_id,accounts,department,pledge_until\n")
        file.writelines(f"k.{number},k{number},fraud,2099-12-31\n" for number in range(rows))
    with serving(tmp_path / "var") as daemon, daemon.channel() as channel:
        importing = subprocess.Popen(
            [sys.executable, "-m", "munjigi.cli.main", "people", "import", str(listed), "--source", "hr", "--as", "dpo.yoon"],
            env=os.environ | {"MUNJIGI_STATE_DIR": str(daemon.state_dir), "MUNJIGI_GRPC_ADDRESS": daemon.grpc_address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        seen = pb.GetPersonRequest(person_id="k.500")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                Stubs(channel).grant.GetPerson(seen, metadata=daemon.credentials("dpo.yoon", TOOL), timeout=30)
                break
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.NOT_FOUND:
                    raise
                time.sleep(0.01)
        children = [psutil.Process(pid) for pid in (*daemon.children().values(), *daemon.workers())]
        daemon.stop(signal.SIGKILL)
        psutil.wait_procs(children, timeout=20)
        _, said = importing.communicate(timeout=60)
        assert importing.returncode == 6, said
    with serving(tmp_path / "var") as daemon:
        there = {each["person_id"] for each in listing(daemon)} - SAMPLE
        assert 500 < len(there) < rows
        assert len(there) % 500 == 0  # a commit of rows is there as a whole, or not at all
        done = json.loads(people(daemon, "import", str(listed), "--source", "hr", "-o", "json").stdout)
        assert (done["rows"], done["people"]) == (rows, rows - len(there))
        again = json.loads(people(daemon, "import", str(listed), "--source", "hr", "-o", "json").stdout)
        assert (again["people"], len({each["person_id"] for each in listing(daemon)} - SAMPLE)) == (0, rows)


SAMPLE = {
    f"p.{who}"
    for who in ("cs.kim", "cs.lee", "mkt.park", "fraud.choi", "dba.jung", "sec.han", "dpo.yoon", "local.operator", "new.oh")
}


def listing(daemon: Daemon) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(people(daemon, "list", "--limit", "100000", "-o", "json").stdout)["people"]
    return found
