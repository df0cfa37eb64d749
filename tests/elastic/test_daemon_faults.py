"""P7 with a real daemon behind a faulty line to a real cluster: decisions go on, and in the end each record is there once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from e2e_asking import question
from elastic.proxy import Proxy, proxied
from elastic.server import ElasticsearchServer
from elastic.support import installed, settings_of, stored
from elastic.test_daemon import eventually, metric, recorded
from grpc_health.v1 import health_pb2, health_pb2_grpc
from running import Daemon, Stubs, serving

from munjigi.app.files import StateFolder
from munjigi.audit.reader import list_logs
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

PREFIX = f"munjigi-line-{os.getpid()}"
STORM = ["too_many", "html", "half", "reset_before", "html_ok", "reset_after", "too_many", "half", "reset_after"]


class Line(NamedTuple):
    """A daemon, the proxy that it ships through, and the cluster behind."""

    daemon: Daemon
    proxy: Proxy
    server: ElasticsearchServer
    folder: Path

    def ask(self, batches: int = 5) -> None:
        with self.daemon.channel() as channel:
            for _ in range(batches):
                answer = Stubs(channel).decision.BatchCheck(
                    pb.BatchCheckRequest(items=[question()] * 20), metadata=self.daemon.credentials("cs.kim"), timeout=30
                )
                assert all(each.response.decision == pb.DECISION_ALLOW for each in answer.results)

    def follows(self) -> bool:
        with self.daemon.channel() as channel:
            asked = health_pb2.HealthCheckRequest(service="follower")
            answer = health_pb2_grpc.HealthStub(channel).Check(asked)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def settled(self) -> None:
        """Wait until all is shipped, and compare."""
        state = self.daemon.state_dir
        eventually(lambda: metric(self.daemon, "munjigi_ship_next_index") >= len(recorded(state)), "it was not shipped")
        assert sorted(name for _, name in stored(self.server, PREFIX)) == recorded(state)

    def pid(self) -> int:
        eventually(lambda: "follower" in self.daemon.children(), "the follower is not started again")
        return self.daemon.children()["follower"]


@pytest.fixture(scope="module")
def laid(cluster_server: ElasticsearchServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("line")
    installed(cluster_server, folder, PREFIX)
    with proxied(cluster_server) as proxy:
        settings = settings_of(cluster_server, folder, PREFIX) | {"MUNJIGI_ELASTICSEARCH_URLS": json.dumps([proxy.url])}
        with serving(folder / "state", **settings) as daemon:
            yield Line(daemon, proxy, cluster_server, folder)


@pytest.fixture
def line(laid: Line) -> Iterator[Line]:
    """The line, which is whole again after a test that failed, too."""
    yield laid
    laid.proxy.mend()


def test_p7_a_storm_between_daemon_and_cluster(line: Line) -> None:
    line.proxy.script = [*STORM, "trickle"]
    line.ask()
    eventually(lambda: not line.proxy.script, "the storm was not met")
    line.settled()
    eventually(lambda: metric(line.daemon, "munjigi_ship_retries_total") > 0, "the retries are not counted")
    assert metric(line.daemon, "munjigi_ship_dead_letters") == 0


def test_p7_an_outage_is_told_by_health_and_metrics_and_holds_nobody_up(line: Line) -> None:
    line.settled()
    line.proxy.script = ["reset_before"] * 10_000
    line.ask()
    eventually(lambda: not line.follows(), "health does not tell")
    eventually(lambda: metric(line.daemon, "munjigi_follower_job_failing") == 1, "no metric tells")
    eventually(lambda: metric(line.daemon, "munjigi_ship_pending_since_timestamp_seconds") > 0, "no metric says since when")
    line.ask()
    line.proxy.script = []
    line.settled()
    eventually(line.follows, "health does not recover")


def test_p7_a_follower_that_is_killed_between_request_and_cursor(line: Line) -> None:
    for _ in range(2):
        pid = line.pid()
        line.settled()
        progress = StateFolder(line.daemon.state_dir).shipping / f"{list_logs(line.daemon.state_dir / 'journal')[0]}.cursor"
        before = progress.read_bytes()
        line.proxy.between = lambda pid=pid: os.kill(pid, signal.SIGKILL)
        line.proxy.script = ["done_and"]
        line.ask(1)
        eventually(lambda: not line.proxy.script, "nothing was sent")
        eventually(lambda pid=pid: line.daemon.children().get("follower", pid) != pid, "the follower is not started again")
        assert line.proxy.seen.count("done_and") >= 1
        assert json.loads(progress.read_bytes())["next_index"] >= json.loads(before)["next_index"]
        line.settled()


def test_p7_an_index_that_is_deleted_is_missed_by_reconcile_and_filled_again(line: Line) -> None:
    """The follower does not look back: what was stored once is the administrator's. `audit reconcile` sees it, and fills it."""
    line.ask()
    line.settled()
    for index in {index for index, _ in stored(line.server, PREFIX)}:
        line.server.call("DELETE", f"/{index}")
    line.ask(2)
    state = line.daemon.state_dir
    eventually(lambda: metric(line.daemon, "munjigi_ship_next_index") >= len(recorded(state)), "it was not shipped")
    left = len(stored(line.server, PREFIX))
    assert left < len(recorded(state))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUNJIGI_")}
    environment |= {"MUNJIGI_STATE_DIR": str(state), **settings_of(line.server, line.folder, PREFIX, "administrator")}
    command = [sys.executable, "-m", "munjigi.cli.main", "audit", "reconcile", "-o", "json"]
    began = time.time()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    missing = sum(log["missing"] for log in json.loads(done.stdout)["logs"])
    assert missing >= len(recorded(state)) - left - 5
    eventually(lambda: metric(line.daemon, "munjigi_reconcile_timestamp_seconds") > began, "nobody shows the comparison")
    eventually(lambda: metric(line.daemon, "munjigi_reconcile_findings") == missing, "it shows another number")
    line.settled()
