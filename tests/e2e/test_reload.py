"""A reload, however it is asked for, swaps whole policies, holds nobody up, and says in its record what changed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from e2e_asking import question
from running import ROOT, Daemon, Stubs

from munjigi_client._proto.munjigi.v1 import audit_pb2, policy_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

DENYING = b"p, cs_agent, crm.member.phone, read, inquiry, True, deny,\n"


TABLE = """tests:
  - name: an agent sees names masked
    employee: cs.kim
    facts: [pledge, training]
    grants: [{role: cs_agent, purpose: inquiry}]
    when: {resource: crm.member, fields: [name], purpose: inquiry, case_id: CS-2026-000123, tool: crm-desk, subjects: 1}
    then: {decision: ALLOW, reason: GRANTED}
"""


def own_home(folder: Path) -> Path:
    home = folder / "policies"
    shutil.copytree(ROOT / "policies", home)
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(home / "tests")  # the sample's own tables would refuse the edits made here, as they should
    return home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return own_home(tmp_path)


@pytest.fixture
def daemon(home: Path, tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(tmp_path / "var", policy_home=home, MUNJIGI_POLICY_WATCH_SECONDS="0")
    running.start()
    try:
        yield running
    finally:
        assert running.stop() == 0


def status(daemon: Daemon, stubs: Stubs) -> policy_pb2.GetPolicyStatusResponse:
    metadata = daemon.credentials("sec.han", "munjigi-cli")
    return stubs.policy.GetPolicyStatus(policy_pb2.GetPolicyStatusRequest(), metadata=metadata)


def reload(daemon: Daemon, stubs: Stubs) -> policy_pb2.ReloadPolicyResponse:
    metadata = daemon.credentials("sec.han", "munjigi-cli")
    return stubs.policy.ReloadPolicy(policy_pb2.ReloadPolicyRequest(), metadata=metadata)


def until(true: Callable[[], bool], daemon: Daemon, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, daemon.text
        time.sleep(0.05)


def loads(daemon: Daemon, stubs: Stubs) -> list[dict[str, object]]:
    request = audit_pb2.SearchRecordsRequest(event_type="policy.load")
    found = stubs.audit.SearchRecords(request, metadata=daemon.credentials("dpo.yoon", "munjigi-cli")).records
    return [dict(record.content.items()) for record in found]


def git(home: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Han Sec", "-c", "user.email=sec.han@example.com")
    subprocess.run(["git", "-C", str(home), *identity, *arguments], check=True, capture_output=True)


def test_a_signal_reloads_and_the_record_says_what_changed_and_who_wrote_it(daemon: Daemon, home: Path) -> None:
    git(home, "init", "-q")
    with (home / "policy.csv").open("ab") as file:
        file.write(DENYING)
    (home / "tests").mkdir()
    (home / "tests" / "name.yaml").write_text(TABLE)
    git(home, "add", ".")
    git(home, "commit", "-q", "-m", "deny telephone numbers")
    assert daemon.process is not None
    with daemon.channel() as channel:
        stubs = Stubs(channel)
        before = status(daemon, stubs)
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: status(daemon, stubs).policy_revision != before.policy_revision, daemon)
        assert stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim")).decision == pb.DECISION_DENY
        until(lambda: bool(loads(daemon, stubs)), daemon)
        (content,) = loads(daemon, stubs)
        after = status(daemon, stubs)
    assert len(after.source) in (40, 64)
    assert content["accepted"]
    assert content["source"] == after.source
    assert content["author"] == "Han Sec"
    assert content["replaced"] == before.policy_revision
    assert content["policy_revision"] == after.policy_revision
    assert (content["rows_added"], content.get("rows_removed", 0)) == (1, 0)
    assert list(content["files_changed"]) == ["policy.csv", "tests/name.yaml"]  # type: ignore[call-overload]
    # How far the second opinion got in its second stands in the record and in the status.
    assert content["casbin_questions"] == after.casbin_questions == 1
    assert content.get("casbin_not_run", 0) == after.casbin_not_run <= 1
    assert daemon.process.poll() is None


def test_the_compiler_may_die_and_the_last_good_policy_stays(daemon: Daemon, home: Path) -> None:
    import psutil

    assert daemon.process is not None

    def compilers() -> list[int]:
        worker = psutil.Process(daemon.children()["worker"])
        return [child.pid for child in worker.children() if "munjigi.app.policy_child" in child.cmdline()]

    with daemon.channel() as channel:
        stubs = Stubs(channel)
        before = status(daemon, stubs).policy_revision
        assert not reload(daemon, stubs).changed
        with (home / "policy.csv").open("ab") as file:
            file.write(b"# another revision\n")
        (compiler,) = compilers()
        psutil.Process(compiler).suspend()
        answers: list[policy_pb2.ReloadPolicyResponse] = []
        waiting = threading.Thread(target=lambda: answers.append(reload(daemon, stubs)))
        waiting.start()
        assert stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim")).policy_revision == before
        psutil.Process(compiler).kill()
        waiting.join()
        assert [problem.code for problem in answers[0].problems] == ["POLICY_COMPILER_ENDED"]
        assert status(daemon, stubs).rejected
        assert reload(daemon, stubs).changed
        assert compilers() != [compiler]


def turns(daemon: Daemon, home: Path, count: int) -> None:
    """Let two policies take turns under 8 callers; each answer must be right for the revision that it names."""
    path = home / "policy.csv"
    good = path.read_bytes()
    verdicts: dict[str, set[int]] = {}
    failures: list[grpc.RpcError] = []
    stop = threading.Event()

    def ask() -> None:
        with daemon.channel() as channel:
            stub = Stubs(channel).decision
            minted = 0.0
            try:
                while not stop.is_set():
                    if time.monotonic() - minted > 300:
                        metadata, minted = daemon.credentials("cs.kim"), time.monotonic()
                    answer = stub.Check(question(), metadata=metadata)
                    verdicts.setdefault(answer.policy_revision, set()).add(answer.decision)
            except grpc.RpcError as error:
                failures.append(error)

    askers = [threading.Thread(target=ask) for _ in range(8)]
    with daemon.channel() as channel:
        stubs = Stubs(channel)
        before = stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"))
        for asker in askers:
            asker.start()
        try:
            for turn in range(count):
                path.write_bytes(good + DENYING if turn % 2 == 0 else good)
                answer = reload(daemon, stubs)
                assert answer.changed, [problem.message for problem in answer.problems]
        finally:
            stop.set()
            for asker in askers:
                asker.join()
    assert not failures
    assert len(verdicts) == 2
    assert verdicts.pop(before.policy_revision) == {pb.DECISION_ALLOW}
    assert list(verdicts.values()) == [{pb.DECISION_DENY}]


@pytest.mark.torture
def test_p2_a_thousand_reloads_under_load_decide_nothing_wrong(daemon: Daemon, home: Path) -> None:
    turns(daemon, home, 1_000)
