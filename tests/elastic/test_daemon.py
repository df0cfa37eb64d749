"""A real daemon in front of a real cluster that is killed under load."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e_asking import question
from elastic.server import ElasticsearchServer
from elastic.support import installed, settings_of, stored
from grpc_health.v1 import health_pb2, health_pb2_grpc
from running import Daemon, Stubs, serving

from munjigi.adapters.elasticsearch.documents import Naming
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

PATIENCE = 180.0


def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def metric(daemon: Daemon, name: str) -> float:
    """Add a metric's values up; 0 while the follower is not up yet."""
    try:
        with urllib.request.urlopen(f"http://{daemon.http_address}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except urllib.error.URLError:
        return 0
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def healthy(daemon: Daemon, service: str) -> bool:
    """Ask the standard health service, as an orchestrator does."""
    with daemon.channel() as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def recorded(state: Path) -> list[str]:
    """Return the ids of every record of every log."""
    sources = LogSources(StateFolder(state))
    try:
        return sorted(f"{source.log_id}-{index}" for source in sources.look() for index, _ in source.read(0, 1_000_000))
    finally:
        sources.close()


@pytest.fixture
def shipping_daemon(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path) -> Iterator[Daemon]:
    installed(cluster_server, tmp_path, prefix)
    with serving(tmp_path / "state", **settings_of(cluster_server, tmp_path, prefix)) as daemon:
        yield daemon


def test_p7_killed_and_started_again_under_load_it_ends_with_each_record_once(
    owned: ElasticsearchServer, prefix: str, shipping_daemon: Daemon
):
    cluster_server, daemon, stop, allowed = owned, shipping_daemon, threading.Event(), []
    credentials = daemon.credentials("cs.kim")

    def ask() -> None:
        with daemon.channel() as channel:
            stubs = Stubs(channel)
            while not stop.is_set():
                answer = stubs.decision.BatchCheck(
                    pb.BatchCheckRequest(items=[question()] * 20), metadata=credentials, timeout=30
                )
                allowed.extend(f"{each.response.record.log_id}-{each.response.record.index}" for each in answer.results)
                time.sleep(0.1)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        eventually(lambda: metric(daemon, "munjigi_ship_next_index") > 100, "nothing was shipped")
        cluster_server.stop()
        eventually(lambda: metric(daemon, "munjigi_follower_job_failing") > 0, "nobody noticed that the cluster is away")
        before = len(allowed)
        eventually(lambda: len(allowed) > before + 100, "decisions waited for the cluster")
        eventually(lambda: not healthy(daemon, "follower"), "health does not say that shipping has been failing for long")
        assert healthy(daemon, "munjigi")
        eventually(lambda: metric(daemon, "munjigi_ship_backlog_records") > 0, "nobody counts what waits")
        eventually(lambda: metric(daemon, "munjigi_ship_pending_since_timestamp_seconds") > 0, "nobody says since when")
        assert metric(daemon, "munjigi_ship_pending_since_timestamp_seconds") <= time.time()
    finally:
        cluster_server.start()
        stop.set()
        asking.join()
    eventually(
        lambda: metric(daemon, "munjigi_ship_next_index") >= len(recorded(daemon.state_dir)), "the backlog was not shipped"
    )
    eventually(lambda: healthy(daemon, "follower"), "health still says degraded")
    eventually(lambda: metric(daemon, "munjigi_follower_job_failing") == 0, "a job is still said to fail")
    for name in ("munjigi_ship_retries_total", "munjigi_follower_job_failures_total", "munjigi_ship_request_bytes"):
        eventually(lambda name=name: metric(daemon, name) > 0, f"{name} is not counted")
    eventually(
        lambda: metric(daemon, "munjigi_ship_records_total") >= len(recorded(daemon.state_dir)) - 5,  # answered just now
        "what was shipped is not counted",
    )
    names = [name for _, name in stored(cluster_server, prefix)]
    assert sorted(names) == recorded(daemon.state_dir)
    assert set(allowed) <= set(names)
    assert {index for index, _ in stored(cluster_server, prefix)} <= {
        Naming(prefix).of_time(time.time_ns() - hours * 3_600_000_000_000) for hours in (0, 1)
    }
    settings = {name: value for name, value in daemon.environment.items() if name.startswith("MUNJIGI_") or name == "PATH"}
    settings |= settings_of(cluster_server, daemon.state_dir.parent, prefix, "administrator")
    command = [sys.executable, "-m", "munjigi.cli.main", "audit", "reconcile"]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
