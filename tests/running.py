"""A real `munjigi serve` on free ports and a state folder of its own, for tests that need the whole daemon."""

from __future__ import annotations

import itertools
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc

from munjigi.adapters.identity.local_issuer import mint_employee, mint_tool
from munjigi_client._proto.munjigi.v1 import (
    audit_pb2_grpc,
    decision_service_pb2_grpc,
    grant_service_pb2_grpc,
    policy_pb2_grpc,
    review_service_pb2_grpc,
)

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0  # other work may keep a small machine busy
_OURS = ("MUNJIGI_", "PYTHONDONTWRITEBYTECODE")  # what a daemon doesn't get from the shell


_PORTS = itertools.count(random.randrange(2_000))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def in_the_folder(_state_dir: Path) -> dict[str, str]:
    return {}


# Where a state folder's state is, as settings: tests/conftest.py sets another for MUNJIGI_TEST_STATE=postgresql.
state_settings: Callable[[Path], dict[str, str]] = in_the_folder


def free_port() -> int:
    """Return a port that nobody listens on: below those that the system hands out, so that nobody gets it before it is used.

    Tests that run side by side have a range of their own.
    """
    while True:
        port = 12_000 + _WORKER % 10 * 2_000 + next(_PORTS) % 2_000
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Daemon:
    """One daemon. `start` waits until it serves; `log` is everything that it wrote."""

    def __init__(
        self,
        state_dir: Path,
        *options: str,
        policy_home: Path = ROOT / "policies",
        command: Sequence[str] = (sys.executable, "-m", "munjigi.cli.main"),
        **environment: str,
    ) -> None:
        self.state_dir = state_dir
        self.command = command
        self.grpc_address = environment.pop("MUNJIGI_GRPC_ADDRESS", f"127.0.0.1:{free_port()}")
        self.http_address = environment.pop("MUNJIGI_HTTP_ADDRESS", f"127.0.0.1:{free_port()}")
        self.options = options
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
            "MUNJIGI_STATE_DIR": str(state_dir),
            "MUNJIGI_POLICY_HOME": str(policy_home),
            "MUNJIGI_GRPC_ADDRESS": self.grpc_address,
            "MUNJIGI_HTTP_ADDRESS": self.http_address,
            "MUNJIGI_LOG_FORMAT": "json",
            **state_settings(state_dir),
            **environment,
        }
        self.process: subprocess.Popen[str] | None = None
        self.log: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    @property
    def text(self) -> str:
        return "".join(self.log)

    def start(self) -> Daemon:
        self.launch()
        try:
            self.wait_for("is serving.")
            self._wait_for_follower()
        except AssertionError:
            self.stop(signal.SIGKILL)
            raise
        return self

    def _wait_for_follower(self) -> None:
        """Wait until the follower answers too: serving does not wait for it, but a test's first search should."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"http://{self.http_address}/healthz", timeout=5) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.02)

    def launch(self) -> None:
        sample = () if "--sample" in self.options else ("--no-sample",)
        options = [option for option in self.options if option != "--sample"]
        self.process = subprocess.Popen(
            [*self.command, "serve", *sample, *options],
            env=self.environment,
            cwd=self.state_dir.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.log.append(line)
                self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, text: str, seconds: float = START_SECONDS) -> str:
        """Return the first new line that holds `text`."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                break
            if text in line:
                return line
        raise AssertionError(f"the daemon did not say {text!r}:\n{self.text}")

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30.0) -> int:
        """Send a signal and return the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def children(self) -> dict[str, int]:
        """Return the pids of the running children by module name."""
        import psutil

        assert self.process is not None
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it ends while it is looked at
                command = child.cmdline()
                if "-m" in command:
                    found[command[command.index("-m") + 1].rpartition(".")[2]] = child.pid
        return found

    def workers(self) -> list[int]:
        """Return the pids of the running gateway workers, by slot."""
        import psutil

        assert self.process is not None
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                command = child.cmdline()
                if "munjigi.app.worker" in command and child.status() != psutil.STATUS_ZOMBIE:
                    found[int(command[-1])] = child.pid
        return [pid for _, pid in sorted(found.items())]

    def credentials(self, employee: str, tool: str = "crm-desk") -> tuple[tuple[str, str], ...]:
        """Return call metadata of an employee at a tool."""
        return (
            ("authorization", f"Bearer {mint_employee(self.state_dir, employee, tool)}"),
            ("munjigi-tool-token", mint_tool(self.state_dir, tool)),
        )

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(self.grpc_address)


class Stubs:
    """All services on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.decision = decision_service_pb2_grpc.DecisionServiceStub(channel)
        self.audit = audit_pb2_grpc.AuditServiceStub(channel)
        self.policy = policy_pb2_grpc.PolicyServiceStub(channel)
        self.grant = grant_service_pb2_grpc.GrantServiceStub(channel)
        self.review = review_service_pb2_grpc.ReviewServiceStub(channel)


@contextmanager
def serving(state_dir: Path, *options: str, **environment: str) -> Iterator[Daemon]:
    """Run a daemon for a while."""
    daemon = Daemon(state_dir, *options, **environment)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
