"""The life of the daemon: kill it, fill its disk, start it twice, take its follower away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import grpc
import parts
import pytest
from e2e_asking import question, reason_of
from e2e_load import Load, gone, journaled
from running import ROOT, Daemon, Stubs, serving

from munjigi.audit.reader import list_logs
from munjigi.audit.verify import verify_journal
from munjigi_client._proto.munjigi.v1 import audit_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


def kill_under_load(tmp_path: Path, times: int) -> None:
    """Kill worker and supervisor again and again on one state folder; whatever was answered must be there."""
    answered: set[str] = set()
    state_dir = tmp_path / "var"
    for turn in range(times):
        daemon = Daemon(state_dir, MUNJIGI_FRONT="native" if turn % 2 else "grpcio", MUNJIGI_SEGMENT_MEBIBYTES="1").start()
        children = daemon.children()
        with Load(daemon) as load:
            load.until(40 + 17 * (turn % 7))
            if turn % 3:
                os.kill(children["worker"], signal.SIGKILL)
            daemon.stop(signal.SIGKILL)
        answered |= load.answered
        gone(list(children.values()))
    with serving(state_dir) as daemon, daemon.channel() as channel:
        stubs = Stubs(channel)
        metadata = daemon.credentials("dpo.yoon", "munjigi-cli")
        verified = stubs.audit.VerifyJournal(audit_pb2.VerifyJournalRequest(), metadata=metadata)
        assert verified.intact, verified
        newest = max(answered, key=lambda each: int(each.rpartition("-")[2]))
        found = stubs.audit.SearchRecords(audit_pb2.SearchRecordsRequest(decision_id=newest), metadata=metadata)
        assert [record.id for record in found.records] == [newest]
    on_disk = journaled(state_dir)
    assert answered <= set(on_disk)
    assert {record.employee for record in on_disk.values()} == {"cs.kim", "dpo.yoon"}
    for log_id in list_logs(state_dir / "journal"):
        result = verify_journal(state_dir / "journal" / log_id)
        assert result.intact, result


def test_p1_kill_9_under_load_loses_no_answered_decision(tmp_path: Path) -> None:
    kill_under_load(tmp_path, 10)


@pytest.mark.torture
def test_p1_kill_9_under_load_loses_no_answered_decision_200_times(tmp_path: Path) -> None:
    kill_under_load(tmp_path, 200)


@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_sigterm_under_load_answers_what_it_took_and_exits_0(tmp_path: Path, front: str) -> None:
    daemon = Daemon(tmp_path / "var", MUNJIGI_FRONT=front).start()
    children = daemon.children()
    with Load(daemon) as load:
        load.until(200)
        assert daemon.stop() == 0
    assert load.answered <= set(journaled(tmp_path / "var"))
    for error in load.refused:
        assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    gone(list(children.values()))
    for log_id in list_logs(tmp_path / "var" / "journal"):
        assert verify_journal(tmp_path / "var" / "journal" / log_id).intact


def test_decisions_go_on_without_the_follower_and_the_index_lacks_nothing_afterwards(tmp_path: Path) -> None:
    with serving(tmp_path / "var") as daemon, daemon.channel() as channel:
        stubs = Stubs(channel)
        answered = set()
        for _ in range(3):
            deadline = time.monotonic() + 20
            while "follower" not in daemon.children():
                assert time.monotonic() < deadline, daemon.text
                time.sleep(0.02)
            os.kill(daemon.children()["follower"], signal.SIGKILL)
            for _ in range(50):
                answered.add(stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim")).decision_id)
        deadline = time.monotonic() + 30
        while True:
            answer = stubs.audit.SearchRecords(
                audit_pb2.SearchRecordsRequest(employee="cs.kim", page_size=1000),
                metadata=daemon.credentials("dpo.yoon", "munjigi-cli"),
            )
            if answer.complete:
                break
            assert time.monotonic() < deadline, daemon.text
        found = [record.id for record in answer.records if record.event_type == "access.decision"]
        assert sorted(found) == sorted(answered)


def test_a_worker_that_dies_takes_the_daemon_down(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "var").start()
    children = daemon.children()
    os.kill(children["worker"], signal.SIGKILL)
    assert daemon.process is not None
    assert daemon.process.wait(30) != 0
    gone(list(children.values()))


def test_a_second_daemon_on_the_same_state_folder_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "var"):
        second = Daemon(tmp_path / "var")
        second.launch()
        second.wait_for("serves from this state folder")
        assert second.process is not None
        assert second.process.wait(10) == 1


def test_a_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    with serving(tmp_path / "a") as first:
        for front in ("native", "grpcio"):
            second = Daemon(tmp_path / front, MUNJIGI_GRPC_ADDRESS=first.grpc_address, MUNJIGI_FRONT=front)
            second.launch()
            second.wait_for("MUNJIGI_GRPC_ADDRESS")
            assert second.process is not None
            assert second.process.wait(10) != 0


def refusal(tmp_path: Path, **environment: str) -> str:
    daemon = Daemon(tmp_path / "var", **environment)
    daemon.launch()
    assert daemon.process is not None
    assert daemon.process.wait(30) != 0
    deadline = time.monotonic() + 5
    while not daemon.text and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert "Traceback" not in daemon.text
    return daemon.text


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"MUNJIGI_GRPC_ADDRESS": "0.0.0.0:0"}, "MUNJIGI_IDENTITY=oidc"),
        ({"MUNJIGI_HTTP_ADDRESS": "0.0.0.0:0"}, "http_address"),
        ({"MUNJIGI_IDENTITY": "oidc"}, "MUNJIGI_OIDC_ISSUER"),
        ({"MUNJIGI_FRONT": "rocket"}, "MUNJIGI_FRONT"),
        ({"MUNJIGI_TLS_CERTIFICATE": "x.pem"}, "tls_key"),
        ({"MUNJIGI_FORWARDED_CERTIFICATE": "true"}, "unix:"),
        ({"MUNJIGI_POLICY_HOME": "/nonexistent"}, "policy"),
    ],
)
def test_p10_what_is_unsafe_is_refused_with_the_fix(tmp_path: Path, environment: dict[str, str], named: str) -> None:
    assert named in refusal(tmp_path, **environment)


def test_p10_a_state_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir(mode=0o755)
    assert "chmod 700" in refusal(tmp_path)


def test_p10_a_key_open_to_others_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "var"):
        pass
    (tmp_path / "var" / "keys" / "member.key").chmod(0o644)
    assert "chmod 600" in refusal(tmp_path)


def test_p10_a_lost_journal_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "var"):
        pass
    shutil.rmtree(tmp_path / "var" / "journal")
    assert "JOURNAL_MISSING" in refusal(tmp_path)


def test_p10_an_edited_journal_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path / "var") as daemon, daemon.channel() as channel:
        for _ in range(20):
            Stubs(channel).decision.Check(question(), metadata=daemon.credentials("cs.kim"))
    (log_id,) = list_logs(tmp_path / "var" / "journal")
    segment = next(path for path in sorted((tmp_path / "var" / "journal" / log_id).iterdir()) if path.stat().st_size > 5000)
    content = bytearray(segment.read_bytes())
    content[2500] ^= 1
    segment.write_bytes(content)
    text = refusal(tmp_path)
    assert "JOURNAL" in text
    assert segment.name in text


def test_p10_group_writable_policy_files_are_refused(tmp_path: Path) -> None:
    home = tmp_path / "policies"
    shutil.copytree(ROOT / "policies", home)
    (home / "policy.csv").chmod(0o664)
    text = refusal(tmp_path, MUNJIGI_POLICY_HOME=str(home))
    assert "policy.csv" in text
    assert "chmod" in text


def test_p1_a_full_disk_answers_nothing_and_loses_nothing(tmp_path: Path) -> None:
    state_dir = tmp_path / "var"
    state_dir.mkdir(mode=0o700)
    with parts.small_disk(state_dir, "size=6m,mode=0700"):
        # Nobody watches the disk here, as where another program fills it within a second.
        blind = {f"MUNJIGI_DISK_{each}_PERCENT": f"99.99{place}" for place, each in enumerate(("WATCH", "DEGRADED", "FULL"))}
        blind["MUNJIGI_DISK_RESERVE_MEBIBYTES"] = "0"
        daemon = Daemon(state_dir, **blind).start()
        with Load(daemon, threads=8) as load:
            assert daemon.process is not None
            assert daemon.process.wait(60) != 0
        assert load.answered
        reasons = {reason_of(error) for error in load.refused}
        assert all(code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED) for code, _ in reasons), reasons
        assert load.answered <= set(journaled(state_dir))
        subprocess.run(["dd", "if=/dev/zero", f"of={state_dir / 'filler'}", "bs=64k"], check=False, stderr=subprocess.DEVNULL)
        # The last page of a file may have room for a start: then it serves, and allows nothing.
        stuck = Daemon(state_dir, **blind)
        stuck.launch()
        with suppress(AssertionError):
            stuck.wait_for("is serving.", 20)
        with Load(stuck, threads=8) as last:
            deadline = time.monotonic() + 60
            while not last.refused:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        stuck.stop()
        assert "free" in stuck.text
        (state_dir / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", str(state_dir)], check=True)
        with serving(state_dir, **blind) as again, again.channel() as channel:
            answer = Stubs(channel).decision.Check(question(), metadata=again.credentials("cs.kim"))
        on_disk = journaled(state_dir)
        assert {*load.answered, *last.answered, answer.decision_id} <= set(on_disk)


def test_p10_a_read_only_state_folder_is_refused(tmp_path: Path) -> None:
    state_dir = tmp_path / "var"
    state_dir.mkdir(mode=0o700)
    with parts.small_disk(state_dir, "size=1m,mode=0700,ro"):
        assert "MUNJIGI_STATE_DIR" in refusal(tmp_path)


def test_metrics_and_probes_tell_the_truth(tmp_path: Path) -> None:
    with serving(tmp_path / "var") as daemon, daemon.channel() as channel:
        stubs = Stubs(channel)
        for _ in range(5):
            stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"))
        stubs.decision.Check(question(fields=["resource"]), metadata=daemon.credentials("cs.kim"))
        wanted = (
            'munjigi_decisions_total{door="Check",reason="GRANTED",verdict="allow"} 5.0',
            'munjigi_tool_decisions_total{tool="crm-desk",verdict="deny"} 1.0',
            'munjigi_call_seconds_count{method="Check"} 6.0',
            "munjigi_journal_records_total",
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://{daemon.http_address}/metrics", timeout=5) as response:
                    text = response.read().decode()
                with urllib.request.urlopen(f"http://{daemon.http_address}/readyz", timeout=5) as response:
                    ready = response.status
                if all(each in text for each in wanted) and ready == 200:
                    break
            except OSError:
                text = ""
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
        for private in ("cs.kim", "1000001", "127.0.0.1", "CS-2026"):
            assert private not in text


def test_two_daemons_stand_side_by_side(tmp_path: Path) -> None:
    with serving(tmp_path / "a") as one, serving(tmp_path / "b") as other:
        for daemon in (one, other):
            with daemon.channel() as channel:
                answer = Stubs(channel).decision.Check(question(), metadata=daemon.credentials("cs.kim"))
                assert answer.decision == pb.DECISION_ALLOW
        with one.channel() as channel, pytest.raises(grpc.RpcError) as refused:
            Stubs(channel).decision.Check(question(), metadata=other.credentials("cs.kim"))
        assert reason_of(refused.value)[0] == grpc.StatusCode.UNAUTHENTICATED
