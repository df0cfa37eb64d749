"""Revoked means revoked (promise P8): when a revocation is answered, no worker answers ALLOW on it any more."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from at_workers import at_workers
from e2e_asking import question, reason_of
from postgresql import postgresql
from running import Daemon, Stubs, serving

from munjigi_client._proto.munjigi.v1 import audit_pb2, revocation_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

SECONDS = 30


def officer(daemon: Daemon) -> tuple[tuple[str, str], ...]:
    return daemon.credentials("dpo.yoon", "munjigi-cli")


def command(daemon: Daemon, *arguments: str, who: str = "dpo.yoon") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MUNJIGI_STATE_DIR": str(daemon.state_dir), "MUNJIGI_GRPC_ADDRESS": daemon.grpc_address}
    return subprocess.run(
        [sys.executable, "-m", "munjigi.cli.main", *arguments, "--as", who],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def lifted(pair: Daemon, both: dict[str, Stubs]) -> Iterator[None]:
    """Leave nobody blocked for the tests that come, though this one failed."""
    yield
    grant = next(iter(both.values())).grant
    for left in ({"employee": "cs.kim"}, {"tool": "crm-desk"}):
        with suppress(grpc.RpcError):
            grant.UnblockPrincipal(revocation_pb2.UnblockPrincipalRequest(**left, reason="cleared"), metadata=officer(pair))


class Asker(threading.Thread):
    """Asks at one worker without a pause; `allowed` are the moments at which what was allowed had been asked."""

    def __init__(self, daemon: Daemon, stubs: Stubs) -> None:
        super().__init__()
        self.stubs, self.here = stubs, daemon.credentials("cs.kim")
        self.ended = threading.Event()
        self.allowed: list[float] = []
        self.denied = 0

    def run(self) -> None:
        while not self.ended.is_set():
            asked = time.monotonic()
            answer = self.stubs.decision.Check(question(), metadata=self.here, timeout=SECONDS)
            if answer.decision == pb.DECISION_ALLOW:
                self.allowed.append(asked)
            else:
                self.denied += 1


@pytest.mark.usefixtures("lifted")
def test_p8_a_block_is_true_at_every_worker_when_it_is_answered_and_an_open_stream_sees_it(
    pair: Daemon, both: dict[str, Stubs]
) -> None:
    here = pair.credentials("cs.kim")
    out: queue.SimpleQueue[pb.CheckStreamRequest | None] = queue.SimpleQueue()
    stream = list(both.values())[1].decision.CheckStream(iter(out.get, None), metadata=here, timeout=SECONDS)
    out.put(pb.CheckStreamRequest(id="before", check=question()))
    assert next(stream).response.decision == pb.DECISION_ALLOW
    askers = [Asker(pair, each) for each in both.values() for _ in range(2)]
    for each in askers:
        each.start()
    try:
        for stubs in both.values():
            for each in askers:
                each.allowed.clear()
            deadline = time.monotonic() + SECONDS
            while not all(each.allowed for each in askers):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            request = revocation_pb2.BlockPrincipalRequest(employee="cs.kim", reason="incident 7")
            blocked = stubs.grant.BlockPrincipal(request, metadata=officer(pair))
            answered = time.monotonic()
            out.put(pb.CheckStreamRequest(id="after", check=question()))
            after = next(stream).response
            assert (after.decision, after.reason) == (pb.DECISION_DENY, "BLOCKED")
            before = [each.denied for each in askers]
            while any(each.denied < count + 5 for each, count in zip(askers, before, strict=True)):
                time.sleep(0.01)
            assert not [moment for each in askers for moment in each.allowed if moment >= answered]
            assert blocked.acknowledgement.leases_run_out == 0
            assert blocked.acknowledgement.waited < 5e9
            unblock = revocation_pb2.UnblockPrincipalRequest(employee="cs.kim", reason="cleared")
            assert stubs.grant.UnblockPrincipal(unblock, metadata=officer(pair)).record_id
    finally:
        for each in askers:
            each.ended.set()
            each.join()
        out.put(None)
        stream.cancel()


@pytest.mark.usefixtures("lifted")
def test_a_block_and_its_end_from_the_command_line(pair: Daemon, both: dict[str, Stubs]) -> None:
    blocked = command(pair, "block", "tool", "crm-desk", "--reason", "incident 8")
    assert blocked.returncode == 0, blocked.stderr
    assert "tool crm-desk is blocked everywhere after" in blocked.stdout
    for stubs in both.values():
        answer = stubs.decision.Check(question(), metadata=pair.credentials("cs.kim"))
        assert (answer.decision, answer.reason) == (pb.DECISION_DENY, "BLOCKED")
    again = command(pair, "block", "tool", "crm-desk", "--reason", "incident 8")
    assert (again.returncode, "already blocked" in again.stderr) == (1, True)
    refused = command(pair, "unblock", "tool", "crm-desk", "--reason", "cleared", who="cs.lee")
    assert refused.returncode != 0
    assert command(pair, "unblock", "tool", "crm-desk", "--reason", "cleared").returncode == 0
    for name in ("employee", "tool"):
        unknown = command(pair, "block", name, "nobody", "--reason", "incident 9")
        assert unknown.returncode == 1
        assert "nobody" not in unknown.stderr
    assert "resident" in command(pair, "block", "employee", "cs.kim", "--reason", "see 900101-1234568").stderr


def test_p8_a_revoked_grant_allows_nothing_anywhere_and_its_holder_may_revoke_it(pair: Daemon, both: dict[str, Stubs]) -> None:
    one, two = both.values()
    here, asked = pair.credentials("cs.lee"), question()
    grant = "g.cs.lee.cs_manager"
    request = revocation_pb2.RevokeGrantRequest(grant_id=grant, reason="changed duty", request_id="revoke-1")
    with pytest.raises(grpc.RpcError) as refused:
        two.grant.RevokeGrant(request, metadata=pair.credentials("cs.kim", "munjigi-cli"))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    for stubs in both.values():
        assert stubs.decision.Check(asked, metadata=here).decision == pb.DECISION_ALLOW
    holder = pair.credentials("cs.lee", "munjigi-cli")
    done = one.grant.RevokeGrant(request, metadata=holder)
    for stubs in both.values():
        answer = stubs.decision.Check(asked, metadata=here)
        assert answer.decision == pb.DECISION_DENY
        assert answer.grant_revision >= done.acknowledgement.grant_revision
    again = two.grant.RevokeGrant(request, metadata=holder)
    assert (again.record_id, again.grant) == (done.record_id, done.grant)
    with pytest.raises(grpc.RpcError) as reused:
        two.grant.RevokeGrant(
            revocation_pb2.RevokeGrantRequest(grant_id=grant, reason="x", request_id="revoke-1"), metadata=holder
        )
    assert reason_of(reused.value) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    over = command(pair, "grant", "revoke", grant, "--reason", "once more")
    assert over.returncode == 1
    found = two.audit.SearchRecords(audit_pb2.SearchRecordsRequest(decision_id=done.record_id), metadata=officer(pair))
    assert [each.event_type for each in found.records] == ["permission.revoke"]


def pid_of(daemon: Daemon, log_id: str) -> int:
    slots = daemon.state_dir / "slots"
    (slot,) = [int(each.name) for each in slots.iterdir() if each.name.isdigit() and each.read_text().strip() == log_id]
    return daemon.workers()[slot]


@pytest.mark.usefixtures("lifted")
def test_p8_a_worker_that_hangs_is_waited_for_until_its_lease_has_run_out_and_answers_nothing_by_it(
    pair: Daemon, both: dict[str, Stubs]
) -> None:
    (_, one), (log_id, two) = both.items()
    here, pid = pair.credentials("cs.kim"), pid_of(pair, log_id)
    os.kill(pid, signal.SIGSTOP)
    try:
        waiting = [two.decision.Check.future(question(), metadata=here, timeout=SECONDS) for _ in range(20)]
        request = revocation_pb2.BlockPrincipalRequest(employee="cs.kim", reason="incident 7")
        done = one.grant.BlockPrincipal(request, metadata=officer(pair), timeout=SECONDS)
        assert done.acknowledgement.leases_run_out == 1
        assert done.acknowledgement.waited < 10e9
    finally:
        os.kill(pid, signal.SIGCONT)
    assert {outcome(each.result) for each in waiting} <= {"STATE_UNREACHABLE", "DECISION_DENY"}
    deadline = time.monotonic() + SECONDS
    while (last := outcome(lambda: two.decision.Check(question(), metadata=here, timeout=SECONDS))) == "STATE_UNREACHABLE":
        assert time.monotonic() < deadline
    assert last == "DECISION_DENY"
    unblock = revocation_pb2.UnblockPrincipalRequest(employee="cs.kim", reason="cleared")
    one.grant.UnblockPrincipal(unblock, metadata=officer(pair))


def outcome(answer: Callable[[], pb.CheckResponse]) -> str:
    try:
        return pb.Decision.Name(answer().decision)
    except grpc.RpcError as error:
        return reason_of(error)[1]


def test_p3_a_full_disk_still_lets_access_be_taken_away(tmp_path: Path) -> None:
    full = ("--disk-watch-percent", "0.001", "--disk-degraded-percent", "0.002", "--disk-full-percent", "0.003")
    with serving(tmp_path / "var", *full) as daemon, daemon.channel() as channel:
        stubs = Stubs(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"))
        assert reason_of(refused.value)[1] == "DISK_FULL"
        taken = {"grant_id": "g.cs.kim.cs_agent", "reason": "incident 7"}
        suspended = stubs.grant.SuspendGrant(revocation_pb2.SuspendGrantRequest(**taken), metadata=officer(daemon))
        assert (suspended.grant.state, suspended.grant.suspended) == ("suspended", "operator")
        with pytest.raises(grpc.RpcError) as refused:  # to give something back takes room
            stubs.grant.ResumeGrant(revocation_pb2.ResumeGrantRequest(**taken), metadata=officer(daemon))
        assert reason_of(refused.value)[1] == "DISK_FULL"
        assert stubs.grant.RevokeGrant(revocation_pb2.RevokeGrantRequest(**taken), metadata=officer(daemon)).record_id
        block = revocation_pb2.BlockPrincipalRequest(employee="mkt.park", reason="incident 7")
        assert stubs.grant.BlockPrincipal(block, metadata=officer(daemon)).record_id
        unblock = revocation_pb2.UnblockPrincipalRequest(employee="mkt.park", reason="cleared")
        with pytest.raises(grpc.RpcError) as later:
            stubs.grant.UnblockPrincipal(unblock, metadata=officer(daemon))
        assert reason_of(later.value)[1] == "DISK_FULL"


def test_p8_a_block_is_true_at_every_worker_of_every_instance_over_one_database(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with postgresql(tmp_path_factory.mktemp("state")) as server:
        server.make("munjigi")
        address = server.address("munjigi")
        environment = {"MUNJIGI_STATE_URL": address.url, "MUNJIGI_STATE_PASSWORD_FILE": str(address.password_file)}
        environment |= {"MUNJIGI_STATE_AUTHORITY": str(address.authority)} if address.authority else {}
        with (
            serving(tmp_path / "a", "--workers", "2", **environment) as here,
            serving(tmp_path / "b", "--workers", "2", **environment) as there,
            at_workers(here, 2) as ours,
            at_workers(there, 2) as theirs,
        ):
            everywhere = [(daemon, each) for daemon, found in ((here, ours), (there, theirs)) for each in found.values()]
            waited = []
            for daemon, stubs in everywhere:
                block = revocation_pb2.BlockPrincipalRequest(employee="cs.kim", reason="incident 7")
                waited.append(stubs.grant.BlockPrincipal(block, metadata=officer(daemon)).acknowledgement)
                for other, each in everywhere:
                    answer = each.decision.Check(question(), metadata=other.credentials("cs.kim"))
                    assert (answer.decision, answer.reason) == (pb.DECISION_DENY, "BLOCKED")
                unblock = revocation_pb2.UnblockPrincipalRequest(employee="cs.kim", reason="cleared")
                stubs.grant.UnblockPrincipal(unblock, metadata=officer(daemon))
            assert not any(each.leases_run_out for each in waited)
