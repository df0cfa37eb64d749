"""Two workers behind one port are one gateway: what one of them did the other knows, and a killed one loses nothing."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from at_workers import ALONE, at_workers
from e2e_asking import question
from running import ROOT, Daemon, Stubs, free_port, serving

from munjigi.audit.reader import JournalReader
from munjigi.audit.records import AccessRecord, decode
from munjigi_client._proto.munjigi.v1 import audit_pb2, policy_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

SECONDS = 30


def asked(daemon: Daemon, stubs: Stubs, **changes: object) -> pb.CheckResponse:
    return stubs.decision.Check(question(**changes), metadata=daemon.credentials("cs.kim"))


def test_a_search_at_one_worker_finds_at_once_what_the_other_recorded(pair: Daemon, both: dict[str, Stubs]) -> None:
    one, two = both.values()
    for number in range(5):
        answer = asked(pair, one, request_id=f"here-{number}")
        found = two.audit.SearchRecords(
            audit_pb2.SearchRecordsRequest(decision_id=answer.decision_id), metadata=pair.credentials("dpo.yoon", "munjigi-cli")
        )
        assert found.complete
        assert [each.id for each in found.records] == [answer.decision_id]


def test_a_tail_at_one_worker_shows_what_the_other_records_meanwhile(pair: Daemon, both: dict[str, Stubs]) -> None:
    one, two = both.values()
    officer = pair.credentials("dpo.yoon", "munjigi-cli")
    request = audit_pb2.TailRecordsRequest(tool="crm-desk", event_type="access.decision", employee="cs.kim")
    request.position = two.audit.TailRecords(request, metadata=officer).position
    request.wait_seconds = 20
    waiting = two.audit.TailRecords.future(request, metadata=officer)
    answer = asked(pair, one)
    began = time.monotonic()
    assert answer.decision_id in [each.id for each in waiting.result(SECONDS).records]
    assert time.monotonic() - began < 10


def test_the_trail_is_verified_while_both_write_it(pair: Daemon, both: dict[str, Stubs]) -> None:
    ended = threading.Event()

    def write(stubs: Stubs) -> None:
        while not ended.is_set():
            asked(pair, stubs)

    writers = [threading.Thread(target=write, args=(each,)) for each in both.values()]
    for each in writers:
        each.start()
    try:
        for _ in range(3):
            for stubs in both.values():
                found = stubs.audit.VerifyJournal(
                    audit_pb2.VerifyJournalRequest(), metadata=pair.credentials("dpo.yoon", "munjigi-cli")
                )
                assert len(found.journals) == 3
                assert all(each.intact for each in found.journals), found
    finally:
        ended.set()
        for each in writers:
            each.join()


def test_a_read_that_one_worker_allowed_is_confirmed_at_the_other(pair: Daemon, both: dict[str, Stubs]) -> None:
    one, two = both.values()
    answer = asked(pair, one)
    item = pb.ConfirmItem(decision_id=answer.decision_id, outcome=pb.READ_OUTCOME_READ, row_count=1)
    request = pb.ConfirmReadRequest(items=[item, pb.ConfirmItem(decision_id="a" * 20 + "-1", outcome=pb.READ_OUTCOME_READ)])
    here = pair.credentials("cs.kim")
    first, unknown = two.decision.ConfirmRead(request, metadata=here).results
    assert first.record.index
    assert first.record.log_id != answer.record.log_id
    assert unknown.error.reason == "DECISION_UNKNOWN"
    assert two.decision.ConfirmRead(request, metadata=here).results[0] == first
    (other,) = two.decision.ConfirmRead(pb.ConfirmReadRequest(items=[item]), metadata=pair.credentials("cs.lee")).results
    assert other.error.reason == "DECISION_OF_ANOTHER"


def test_a_hold_placed_at_one_worker_is_listed_and_released_at_the_other(pair: Daemon, both: dict[str, Stubs]) -> None:
    one, two = both.values()
    officer = pair.credentials("dpo.yoon", "munjigi-cli")
    hold = one.audit.HoldRecords(audit_pb2.HoldRecordsRequest(reason="civil case"), metadata=officer).hold
    assert two.audit.ListHolds(audit_pb2.ListHoldsRequest(), metadata=officer).holds == [hold]
    release = audit_pb2.ReleaseHoldRequest(hold_id=hold.hold_id, reason="settled")
    assert two.audit.ReleaseHold(release, metadata=officer).record_id
    for stubs in both.values():
        assert not stubs.audit.ListHolds(audit_pb2.ListHoldsRequest(), metadata=officer).holds
        with pytest.raises(grpc.RpcError) as again:
            stubs.audit.ReleaseHold(release, metadata=officer)
        assert again.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_reload_that_one_worker_is_told_reaches_the_other(pair: Daemon, both: dict[str, Stubs]) -> None:
    one, two = both.values()
    rules = Path(pair.environment["MUNJIGI_POLICY_HOME"]) / "policy.csv"
    rules.write_text(rules.read_text() + "# another revision\n")
    (rules.parent / "purposes.toml").write_text((rules.parent / "purposes.toml").read_text() + "\n# and here\n")
    editor = pair.credentials("sec.han", "munjigi-cli")
    revision = one.policy.ReloadPolicy(policy_pb2.ReloadPolicyRequest(), metadata=editor).policy_revision
    deadline = time.monotonic() + SECONDS
    status = policy_pb2.GetPolicyStatusRequest()
    while two.policy.GetPolicyStatus(status, metadata=editor).policy_revision != revision:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_metrics_are_those_of_both(pair: Daemon, both: dict[str, Stubs]) -> None:
    import urllib.request

    deadline = time.monotonic() + SECONDS
    while True:
        with urllib.request.urlopen(f"http://{pair.http_address}/metrics", timeout=5) as response:
            text = response.read().decode()
        if "munjigi_worker_ready 2.0" in text:
            return
        assert time.monotonic() < deadline, text
        time.sleep(0.1)


def test_on_a_unix_socket_each_worker_has_its_own(tmp_path: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as short,  # a socket's path has at most 107 bytes
        serving(tmp_path / "var", "--workers", "2", MUNJIGI_GRPC_ADDRESS=f"unix:{short}/g.sock") as daemon,
    ):
        answers = []
        for name in ("g.sock", "g.sock.1"):
            with grpc.insecure_channel(f"unix:{short}/{name}") as channel:
                answers.append(Stubs(channel).decision.Check(question(), metadata=daemon.credentials("cs.kim")))
        assert len({each.record.log_id for each in answers}) == 2


def test_p10_a_port_that_somebody_else_has_is_not_shared_with_him(tmp_path: Path) -> None:
    import socket

    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        daemon = Daemon(tmp_path / "var", "--workers", "2", MUNJIGI_GRPC_ADDRESS=address)
        daemon.launch()
        assert daemon.process is not None
        assert daemon.process.wait(SECONDS) != 0
        assert "MUNJIGI_GRPC_ADDRESS" in daemon.text


class Client(threading.Thread):
    """Asks without a pause, over another connection whenever one breaks, and keeps what was acknowledged."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self.daemon_ = daemon
        self.ended = threading.Event()
        self.acknowledged: list[pb.CheckResponse] = []
        self.broken = 0

    def run(self) -> None:
        here = self.daemon_.credentials("cs.kim")
        while not self.ended.is_set():
            with grpc.insecure_channel(self.daemon_.grpc_address, options=ALONE) as channel:
                stubs = Stubs(channel)
                with suppress(grpc.RpcError):
                    while not self.ended.is_set():
                        self.acknowledged.append(stubs.decision.Check(question(), metadata=here, timeout=5))
                self.broken += 1


def storm(state_dir: Path, kills: int, seed: int) -> None:
    chosen = random.Random(seed)
    with serving(state_dir, "--workers", "2") as daemon:
        clients = [Client(daemon) for _ in range(4)]
        for each in clients:
            each.start()
        try:
            for _ in range(kills):
                deadline = time.monotonic() + 2 * SECONDS
                while len(pids := daemon.workers()) < 2:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                time.sleep(chosen.uniform(0, 0.5))
                with suppress(ProcessLookupError):
                    os.kill(chosen.choice(pids), signal.SIGKILL)
        finally:
            for each in clients:
                each.ended.set()
                each.join()
        with at_workers(daemon, 2):
            pass  # both are back
    answers = [answer for each in clients for answer in each.acknowledged]
    assert answers
    assert sum(each.broken for each in clients) > len(clients)
    records = {}
    for log_id in {each.record.log_id for each in answers}:
        with JournalReader(state_dir / "journal" / log_id) as reader:
            at = 0
            while batch := reader.read(at, 1000):
                at = batch[-1][0] + 1
                records.update({(log_id, index): decode(payload) for index, payload in batch})
    for each in answers:
        record = records[each.record.log_id, each.record.index]
        assert isinstance(record, AccessRecord)
        assert record.decision == "ALLOW"
    assert len({(each.record.log_id, each.record.index) for each in answers}) == len(answers)
    verified = subprocess.run(
        [sys.executable, "-m", "munjigi.cli.main", "audit", "verify", "--state-dir", str(state_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_p1_workers_killed_under_load_lose_no_acknowledged_record_and_the_others_answer(tmp_path: Path) -> None:
    storm(tmp_path / "var", kills=3, seed=1)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(5))
def test_p1_a_storm_of_kills_loses_no_acknowledged_record(tmp_path: Path, seed: int) -> None:
    storm(tmp_path / "var", kills=10, seed=seed)  # each slot waits ever longer before its next start


def test_p2_a_worker_that_is_killed_while_the_policy_home_is_broken_comes_back_with_the_policy_in_force(tmp_path: Path) -> None:
    home = tmp_path / "policies"
    shutil.copytree(ROOT / "policies", home)
    rules = home / "policy.csv"
    good = rules.read_bytes()
    status = policy_pb2.GetPolicyStatusRequest()
    with serving(tmp_path / "var", "--workers", "2", MUNJIGI_POLICY_HOME=str(home)) as daemon:
        editor = daemon.credentials("sec.han", "munjigi-cli")
        with at_workers(daemon, 2) as both:
            before = {each.policy.GetPolicyStatus(status, metadata=editor).policy_revision for each in both.values()}
        rules.write_bytes(good + b"p, cs_agent\n")
        killed = daemon.workers()[0]
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + 2 * SECONDS
        while killed in (pids := daemon.workers()) or len(pids) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with at_workers(daemon, 2) as both:
            for each in both.values():
                deadline = time.monotonic() + SECONDS
                while not (found := each.policy.GetPolicyStatus(status, metadata=editor)).rejected:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                assert {found.policy_revision} == before
                assert any(problem.file == "policy.csv" for problem in found.problems)
                assert asked(daemon, each).decision == pb.DECISION_ALLOW
            rules.write_bytes(good + b"# repaired\n")
            for each in both.values():
                deadline = time.monotonic() + SECONDS
                while each.policy.GetPolicyStatus(status, metadata=editor).rejected:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
        rules.write_bytes(good + b"p, cs_agent\n")
    again = Daemon(tmp_path / "var", "--workers", "2", MUNJIGI_POLICY_HOME=str(home))
    again.launch()
    assert again.process is not None
    assert again.process.wait(SECONDS)
    assert "POLICY_INVALID" in again.text
