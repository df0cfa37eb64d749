"""The security team edits files: a good edit decides at once, a bad one changes nothing."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from e2e_asking import question
from running import ROOT, Daemon, Stubs

from munjigi_client._proto.munjigi.v1 import audit_pb2, policy_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("home") / "policies"
    shutil.copytree(ROOT / "policies", copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copy


@pytest.fixture(scope="module")
def edited(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("policy") / "var", policy_home=home, MUNJIGI_POLICY_WATCH_SECONDS="0")
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.stop() == 0


@pytest.fixture(scope="module")
def calls(edited: Daemon) -> Iterator[Stubs]:
    with edited.channel() as channel:
        yield Stubs(channel)


def reload(edited: Daemon, calls: Stubs) -> policy_pb2.ReloadPolicyResponse:
    return calls.policy.ReloadPolicy(policy_pb2.ReloadPolicyRequest(), metadata=edited.credentials("sec.han", "munjigi-cli"))


def status(edited: Daemon, calls: Stubs) -> policy_pb2.GetPolicyStatusResponse:
    return calls.policy.GetPolicyStatus(
        policy_pb2.GetPolicyStatusRequest(), metadata=edited.credentials("sec.han", "munjigi-cli")
    )


def test_only_who_may_operate_the_policy_reloads_it(edited: Daemon, calls: Stubs) -> None:
    for employee in ("cs.kim", "local.operator"):
        with pytest.raises(grpc.RpcError) as refused:
            calls.policy.ReloadPolicy(policy_pb2.ReloadPolicyRequest(), metadata=edited.credentials(employee, "munjigi-cli"))
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
    answer = reload(edited, calls)
    assert not answer.changed


@pytest.mark.parametrize(
    ("file", "broken", "code"),
    [
        ("policy.csv", b"p, cs_agent, crm.member.name, read, inquiry, True\n", ""),
        ("policy.csv", b'p, "cs_agent, crm.member.name\n', ""),
        ("policy.csv", b"p, cs_agent, crm.member.name, read, inquiry, True, Deny, clear\n", ""),
        ("policy.csv", b"g, cs_agent, cs_manager\n", ""),
        ("policy.csv", b"\xff\xfe\x00", ""),
        ("roles.toml", b"[roles\n", ""),
        ("model.conf", b"[matchers]\nm = True\n", ""),
    ],
)
def test_p2_a_bad_edit_keeps_the_last_good_policy_and_says_where(
    edited: Daemon, calls: Stubs, home: Path, file: str, broken: bytes, code: str
) -> None:
    before = status(edited, calls)
    path = home / file
    good = path.read_bytes()
    try:
        path.write_bytes(good + broken)
        answer = reload(edited, calls)
        errors = [problem for problem in answer.problems if problem.severity == policy_pb2.SEVERITY_ERROR]
        assert errors
        assert errors[0].file == file
        assert errors[0].code
        assert (answer.policy_revision, answer.changed) == (before.policy_revision, False)
        assert status(edited, calls).rejected
        check = calls.decision.Check(question(), metadata=edited.credentials("cs.kim"))
        assert (check.decision, check.policy_revision) == (pb.DECISION_ALLOW, before.policy_revision)
    finally:
        path.write_bytes(good)
    assert not reload(edited, calls).changed
    assert not status(edited, calls).rejected


def test_p2_reloads_under_load_never_decide_wrongly(edited: Daemon, calls: Stubs, home: Path) -> None:
    """Two policies take turns; each answer must be right for the revision that it names."""
    path = home / "policy.csv"
    good = path.read_bytes()
    # The team's own tables would refuse the second policy, as they should.
    (home / "tests").rename(home.parent / "tests")
    reload(edited, calls)
    before = calls.decision.Check(question(), metadata=edited.credentials("cs.kim"))
    denying = good + b"p, cs_agent, crm.member.phone, read, inquiry, True, deny,\n"
    verdicts: dict[str, set[int]] = {}
    stop = threading.Event()
    count = 0

    def ask() -> None:
        nonlocal count
        metadata = edited.credentials("cs.kim")
        with edited.channel() as channel:
            stub = Stubs(channel).decision
            while not stop.is_set():
                answer = stub.Check(question(), metadata=metadata)
                verdicts.setdefault(answer.policy_revision, set()).add(answer.decision)
                count += 1

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    try:
        for turn in range(20):
            path.write_bytes(denying if turn % 2 == 0 else good)
            answer = reload(edited, calls)
            assert answer.changed, [problem.message for problem in answer.problems]
    finally:
        stop.set()
        for asker in askers:
            asker.join()
        path.write_bytes(good)
        (home.parent / "tests").rename(home / "tests")
        reload(edited, calls)
    assert len(verdicts) == 2
    assert verdicts.pop(before.policy_revision) == {pb.DECISION_ALLOW}
    assert list(verdicts.values()) == [{pb.DECISION_DENY}]
    assert count > 100


def test_validation_does_not_load(edited: Daemon, calls: Stubs, home: Path) -> None:
    files = [
        policy_pb2.PolicyFile(path=str(path.relative_to(home)), content=path.read_bytes())
        for path in home.rglob("*")
        if path.is_file()
    ]
    metadata = edited.credentials("sec.han", "munjigi-cli")
    answer = calls.policy.ValidatePolicy(policy_pb2.ValidatePolicyRequest(files=files), metadata=metadata)
    assert answer.policy_revision == status(edited, calls).policy_revision
    assert answer.tests_run >= 40
    assert answer.tests_failed == 0
    for file in files:
        if file.path == "policy.csv":
            file.content += b"p, cs_agent, crm.member.phone, read, inquiry, True, deny,\n"
    broken = calls.policy.ValidatePolicy(policy_pb2.ValidatePolicyRequest(files=files), metadata=metadata)
    assert not broken.tests_failed or broken.problems
    assert status(edited, calls).policy_revision == answer.policy_revision


def test_every_load_is_a_record(edited: Daemon, calls: Stubs) -> None:
    found = calls.audit.SearchRecords(
        audit_pb2.SearchRecordsRequest(event_type="policy.load"), metadata=edited.credentials("dpo.yoon", "munjigi-cli")
    ).records
    assert any(record.content["accepted"] for record in found)
    refused = [record.content for record in found if not record.content["accepted"]]
    assert refused
    assert all(content["errors"] > 0 for content in refused)
    assert all(record.content["employee"] == "sec.han" for record in found)


def test_the_watcher_loads_an_edit_by_itself(tmp_path: Path, home: Path) -> None:
    own = tmp_path / "policies"
    shutil.copytree(home, own)
    daemon = Daemon(tmp_path / "var", policy_home=own, MUNJIGI_POLICY_WATCH_SECONDS="0.1").start()
    try:
        with daemon.channel() as channel:
            stubs = Stubs(channel)
            before = status(daemon, stubs).policy_revision
            with (own / "policy.csv").open("ab") as file:
                file.write(b"\n# a comment is another revision\n")
            deadline = time.monotonic() + 10
            while status(daemon, stubs).policy_revision == before:
                assert time.monotonic() < deadline, daemon.text
                time.sleep(0.05)
    finally:
        assert daemon.stop() == 0
