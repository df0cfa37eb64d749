"""Two daemons over one state in PostgreSQL: they decide, follow changes, wait out a database that is killed, and go on."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from e2e_asking import question, reason_of
from postgresql import PostgresqlServer, postgresql
from running import Daemon, Stubs, serving
from witnessing import metrics

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


def until(daemons: Sequence[Daemon], wanted: tuple[object, str], seconds: float = 30) -> None:
    """Ask each as cs.kim until this is the answer: a verdict and its reason, or a status and its."""
    deadline = time.monotonic() + seconds
    for daemon in daemons:
        metadata = daemon.credentials("cs.kim")
        with daemon.channel() as channel:
            while (found := _answer(channel, metadata)) != wanted:
                assert time.monotonic() < deadline, (found, daemon.text)
                time.sleep(0.02)


def _answer(channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]) -> tuple[object, str]:
    try:
        answer = Stubs(channel).decision.Check(question(), metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        return reason_of(error)
    return answer.decision, answer.reason


def test_daemons_on_postgresql_decide_follow_and_outlive_the_database(
    tmp_path: Path, server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    allow, expired = (pb.DECISION_ALLOW, "GRANTED"), (pb.DECISION_DENY, "GRANT_EXPIRED")
    away = (grpc.StatusCode.UNAVAILABLE, "STATE_UNREACHABLE")
    folder = StateFolder(tmp_path / "var")
    with (
        serving(folder.root, **server.settings(DATABASE)) as one,
        serving(tmp_path / "other", "--workers", "2", **server.settings(DATABASE)) as other,
        closing(PostgresqlStateStore(server.address(DATABASE))) as store,
    ):
        both = (one, other)
        until(both, allow)
        assert not folder.state.exists()
        kim = next(grant for grant in store.load().grants if grant.employee.subject == "cs.kim")

        def end(request_id: str) -> int:
            edit = grant_ended(replace(kim, ends_at=time.time_ns()))
            return store.apply([edit], at=time.time_ns(), actor="test", request_id=request_id)

        end("one")
        until(both, expired)
        store.apply([grant_changed(kim)], at=time.time_ns(), actor="test", request_id="two")
        until(both, allow)

        killed = time.time()
        server.stop(signal.SIGQUIT)
        until(both, away)
        _wait_until_sealed(folder, killed + 1)  # what was answered while the lease held: journals don't wait for a database
        server.start()
        until(both, allow)
        for daemon in both:
            deadline = time.monotonic() + 10  # counts are handed over once a second
            while 'munjigi_answers_withheld_total{reason="STATE_UNREACHABLE"}' not in metrics(daemon):
                assert time.monotonic() < deadline
                time.sleep(0.05)

        revision = end("three")
        until(both, expired)
        _wait_until_found(one, revision)  # the follower reads the same log
        for daemon in both:
            assert daemon.process is not None
            assert daemon.process.poll() is None
        for name, value in server.settings(DATABASE).items():
            monkeypatch.setenv(name, value)
        assert run(["audit", "verify", "--state-dir", str(folder.root)]) == 0
    for root in (folder.root, tmp_path / "other"):
        assert [each.problem for each in verify_logs(StateFolder(root), seal_of(StateFolder(root))) if not each.intact] == []
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


def _wait_until_found(daemon: Daemon, revision: int) -> None:
    deadline = time.monotonic() + 30
    request = audit_pb2.SearchRecordsRequest(event_type="permission.revoke")
    metadata = daemon.credentials("local.operator", "munjigi-cli")
    with daemon.channel() as channel:
        while True:
            found = Stubs(channel).audit.SearchRecords(request, metadata=metadata).records
            if any(each.content["grant_revision"] == revision for each in found):
                return
            assert time.monotonic() < deadline, daemon.text
            time.sleep(0.05)
