"""A daemon whose state is in PostgreSQL: it decides, follows changes, waits out a database that is killed, and goes on."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from e2e_asking import question, reason_of
from postgresql import PostgresqlServer, postgresql
from running import Daemon, Stubs, serving

from munjigi.adapters.state.postgresql import PostgresqlStateStore
from munjigi.app.files import StateFolder
from munjigi.app.verification import seal_of, verify_logs
from munjigi.cli.main import run
from munjigi.grants.changes import grant_changed, grant_ended
from munjigi_client._proto.munjigi.v1 import audit_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

DATABASE = "munjigi"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    """One of its own: it is killed."""
    with postgresql(tmp_path_factory.mktemp("state")) as server:
        server.make(DATABASE)
        yield server


def environment(server: PostgresqlServer) -> dict[str, str]:
    address = server.address(DATABASE)
    found = {"MUNJIGI_STATE_URL": address.url, "MUNJIGI_STATE_PASSWORD_FILE": str(address.password_file)}
    return found | ({"MUNJIGI_STATE_AUTHORITY": str(address.authority)} if address.authority else {})


def until(daemon: Daemon, stub: object, *wanted: tuple[object, str], seconds: float = 30) -> None:
    """Ask as cs.kim until one of these is the answer: a verdict and its reason, or a status and its."""
    deadline = time.monotonic() + seconds
    while True:
        metadata = daemon.credentials("cs.kim")
        try:
            answer = stub.Check(question(), metadata=metadata, timeout=20)  # type: ignore[attr-defined]
            found: tuple[object, str] = (answer.decision, answer.reason)
        except grpc.RpcError as error:
            found = reason_of(error)
        if found in wanted or (found[0], "") in wanted:
            return
        assert time.monotonic() < deadline, (found, daemon.text)
        time.sleep(0.02)


def test_a_daemon_on_postgresql_decides_follows_and_outlives_the_database(
    tmp_path: Path, server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    allow, away = (pb.DECISION_ALLOW, ""), (grpc.StatusCode.UNAVAILABLE, "STATE_UNREACHABLE")
    folder = StateFolder(tmp_path / "var")
    with (
        serving(folder.root, **environment(server)) as daemon,
        daemon.channel() as channel,
        closing(PostgresqlStateStore(server.address(DATABASE))) as store,
    ):
        stub = Stubs(channel).decision
        until(daemon, stub, allow)
        assert not folder.state.exists()
        kim = next(grant for grant in store.load().grants if grant.employee.subject == "cs.kim")
        store.apply([grant_ended(replace(kim, ends_at=time.time_ns()))], at=time.time_ns(), actor="test", request_id="one")
        until(daemon, stub, (pb.DECISION_DENY, "GRANT_EXPIRED"))
        store.apply([grant_changed(kim)], at=time.time_ns(), actor="test", request_id="two")
        until(daemon, stub, allow)

        killed = time.time()
        server.stop(signal.SIGQUIT)
        until(daemon, stub, away)
        _wait_until_sealed(folder, killed + 1)  # what was answered while the lease held: journals don't wait for a database
        server.start()
        until(daemon, stub, allow)

        revision = store.apply(
            [grant_ended(replace(kim, ends_at=time.time_ns()))], at=time.time_ns(), actor="test", request_id="3"
        )
        until(daemon, stub, (pb.DECISION_DENY, "GRANT_EXPIRED"))
        _wait_until_found(daemon, channel, revision)  # the follower reads the same log
        assert daemon.process is not None
        assert daemon.process.poll() is None
        assert set(daemon.children()) >= {"worker", "follower"}
        for name, value in environment(server).items():
            monkeypatch.setenv(name, value)
        assert run(["audit", "verify", "--state-dir", str(folder.root)]) == 0
    assert [each.problem for each in verify_logs(folder, seal_of(folder)) if not each.intact] == []
    alone = Daemon(folder.root)  # never with a store of its own beside the real one
    alone.launch()
    alone.wait_for("Set MUNJIGI_STATE_URL")
    assert alone.process is not None
    assert alone.process.wait(30) != 0
    capsys.readouterr()
    assert run(["doctor", "--state-dir", str(folder.root), "--output", "json"]) == 0
    assert f"grant revision {revision}" in capsys.readouterr().out


def _wait_until_sealed(folder: StateFolder, since: float) -> None:
    deadline = time.monotonic() + 60
    while (folder.seal / "checkpoint").stat().st_mtime < since:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _wait_until_found(daemon: Daemon, channel: grpc.Channel, revision: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        request = audit_pb2.SearchRecordsRequest(event_type="permission.revoke")
        found = Stubs(channel).audit.SearchRecords(request, metadata=daemon.credentials("local.operator", "munjigi-cli"))
        if any(str(revision) in str(each) for each in found.records):
            return
        assert time.monotonic() < deadline, daemon.text
        time.sleep(0.05)
