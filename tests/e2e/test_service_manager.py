"""`munjigi serve` as a service manager runs it: streams closed, told when ready, stopped at any moment."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import Daemon

psutil = pytest.importorskip("psutil")
SECONDS = 30.0


def wait_until(condition: object, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_p1_no_file_of_ours_takes_the_place_of_a_closed_standard_stream(tmp_path: Path) -> None:
    """Else the journal might get number 2, and with it what any library complains about."""
    daemon = Daemon(tmp_path / "var", MUNJIGI_LOG_FORMAT="auto")
    command = f"exec {shlex.quote(sys.executable)} -m munjigi.cli.main serve --no-sample <&- >&- 2>&-"
    process = subprocess.Popen(["sh", "-c", command], env=daemon.environment, cwd=tmp_path)
    try:
        port = int(daemon.grpc_address.rpartition(":")[2])

        def listens() -> bool:
            assert process.poll() is None
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens)
        for each in (psutil.Process(process.pid), *psutil.Process(process.pid).children()):
            for number in (0, 1, 2):
                target = str(Path(f"/proc/{each.pid}/fd/{number}").readlink())
                assert target == os.devnull or target.startswith("pipe:")
    finally:
        process.terminate()
        assert process.wait(SECONDS) == 0


def test_the_service_manager_hears_of_ready_and_of_stopping(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(SECONDS)
        daemon = Daemon(tmp_path / "var", NOTIFY_SOCKET=str(tmp_path / "notify")).start()
        assert manager.recv(100) == b"READY=1"
        assert daemon.stop() == 0
        assert manager.recv(100) == b"STOPPING=1"


def test_a_service_manager_that_is_gone_neither_ends_nor_hangs_the_daemon(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "var", NOTIFY_SOCKET=str(tmp_path / "nobody")).start()
    assert daemon.stop() == 0
    assert "the service manager can't be told" in daemon.text


@pytest.mark.parametrize("name", ["worker"])
def test_a_stop_while_starting_exits_with_0(tmp_path: Path, name: str) -> None:
    daemon = Daemon(tmp_path / "var")
    daemon.launch()
    assert daemon.process is not None
    try:
        wait_until(lambda: name in daemon.children())
    finally:
        assert daemon.stop(signal.SIGTERM) == 0
