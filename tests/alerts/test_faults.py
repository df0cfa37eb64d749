"""More faults of a real daemon, from their beginning to the webhook and back; `make torture` runs them."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import parts
import pytest
from alerts.watching import SLACK, Watch, comes_and_goes, until, watching
from e2e_asking import question
from running import Daemon, Stubs

pytestmark = pytest.mark.torture
BOTH = ("page/control-center", "page/operators")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[..., tuple[Daemon, Watch]]]:
    """Start a daemon with settings, and watch it from when all is well."""
    with ExitStack() as running:

        def start(state: Path = tmp_path / "var", **settings: str) -> tuple[Daemon, Watch]:
            daemon = Daemon(state, **settings).start()
            running.callback(daemon.stop)
            watch = running.enter_context(watching(tmp_path / "trial", daemon.http_address))
            watch.settle()
            watch.prometheus.wait_for("munjigi_worker_ready == munjigi_workers")
            return daemon, watch

        yield start


def again(daemon: Daemon) -> Daemon:
    """Start a daemon anew on its state folder and its addresses."""
    named = {name: value for name, value in daemon.environment.items() if name.startswith("MUNJIGI_")}
    return Daemon(daemon.state_dir, **named).start()


@contextmanager
def asking(daemon: Daemon, *metadata: tuple[str, str]) -> Iterator[None]:
    """Ask some fifty times a second, whatever the answer."""
    over = threading.Event()

    def ask() -> None:
        with daemon.channel() as channel:
            stub = Stubs(channel).decision
            while not over.wait(0.02):
                with suppress(grpc.RpcError):
                    stub.Check(question(), metadata=metadata, timeout=5)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_state_store_that_is_held_up(watched):
    daemon, watch = watched()
    files = [
        sqlite3.connect(daemon.state_dir / name, isolation_level=None, check_same_thread=False)
        for name in ("state.sqlite", "state-leases.sqlite")
    ]

    def each_does(statement: str) -> None:
        for file in files:
            file.execute(statement)

    with asking(daemon, *daemon.credentials("cs.kim")):
        watch.prometheus.wait_for("job:munjigi_objective_events:rate5m > 10")
        seen = len(watch.got())

        def release() -> None:
            watch.wait_for("AvailabilityBurnsFast", "firing", "page/operators", 2 * SLACK, after=seen)
            each_does("ROLLBACK")

        comes_and_goes(watch, "LeaseRanOut", *BOTH, begin=lambda: each_does("BEGIN EXCLUSIVE"), end=release)
        watch.wait_for("AvailabilityBurnsFast", "resolved", "page/operators", 90, after=seen)
    for file in files:
        file.close()
    assert watch.prometheus.value('munjigi_answers_withheld_total{reason="STATE_UNREACHABLE"}')


def test_a_disk_that_fills(watched, tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    with parts.small_disk(disk, f"size={400 << 20}"):
        daemon, watch = watched(disk / "var")
        ballast = disk / "ballast"

        def fill(share: float) -> None:
            free = os.statvfs(disk)
            more = int((share * free.f_blocks - (free.f_blocks - free.f_bavail)) * free.f_frsize)
            with ballast.open("ab") as file:
                file.write(b"\0" * more)

        comes_and_goes(watch, "DiskNearlyFull", *BOTH, begin=lambda: fill(0.88), end=ballast.unlink)
        comes_and_goes(watch, "DiskFull", *BOTH, begin=lambda: fill(0.97), end=ballast.unlink)
        daemon.stop()


def test_somebody_who_tries_what_they_may_see(watched):
    daemon, watch = watched()
    trying = ExitStack()
    comes_and_goes(
        watch,
        "DenialFlood",
        "ticket/control-center",
        begin=lambda: trying.enter_context(asking(daemon, *daemon.credentials("new.oh"))),
        end=trying.close,
    )


def test_an_archive_that_is_not_mounted(watched, tmp_path: Path):
    archive, away = tmp_path / "archive", tmp_path / "away"
    archive.mkdir()
    _, watch = watched(MUNJIGI_ARCHIVE_DIR=str(archive))
    until(lambda: list(archive.iterdir()), SLACK, watch.trace)

    def mount() -> None:
        archive.rmdir()
        away.rename(archive)

    def unmount() -> None:
        archive.rename(away)
        archive.mkdir()

    comes_and_goes(watch, "FollowerJobFails", "ticket/operators", begin=unmount, end=mount)


def test_a_worker_that_does_not_come_back(watched):
    daemon, watch = watched(MUNJIGI_WORKERS="2")
    slot = (daemon.state_dir / "slots" / "1").read_text().strip()
    (segment,) = (daemon.state_dir / "journal" / slot).glob("*.seg")
    whole = segment.read_bytes()

    def damage() -> None:
        os.kill(daemon.workers()[1], signal.SIGKILL)
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 0xFF
        segment.write_bytes(data)

    def mend() -> None:
        segment.write_bytes(whole + segment.read_bytes()[len(whole) :] if segment.stat().st_size > len(whole) else whole)
        daemon.stop()
        restarted.append(again(daemon))

    restarted: list[Daemon] = []
    comes_and_goes(watch, "WorkerMissing", "ticket/operators", begin=damage, end=mend)
    restarted[0].stop()


def test_a_daemon_that_is_killed_while_prometheus_is_away_too(watched):
    daemon, watch = watched()

    def begin() -> None:
        watch.stop("prometheus")
        with daemon.channel() as channel:  # whoever watches being away changes nothing
            assert Stubs(channel).decision.Check(question(), metadata=daemon.credentials("cs.kim")).decision_id
        daemon.stop(signal.SIGKILL)
        watch.start("prometheus")
        until(lambda: answers(watch), SLACK, watch.trace)

    restarted: list[Daemon] = []
    comes_and_goes(watch, "MunjigiAway", *BOTH, begin=begin, end=lambda: restarted.append(again(daemon)))
    restarted[0].stop()


def answers(watch: Watch) -> bool:
    with suppress(OSError):
        return bool(watch.prometheus.query("up"))
    time.sleep(0.1)
    return False
