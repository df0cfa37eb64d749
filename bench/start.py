"""Cold start: from the command to a health answer that says SERVING, on a state folder that has records in it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import grpc

from bench.servers import ROOT

_SERVING = b"\x08\x01"  # grpc.health.v1.HealthCheckResponse of status SERVING
_LONGEST = 30.0  # seconds


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cold_start(state: Path) -> float:
    """Start `munjigi serve` without the sample database, and return the seconds until it serves.

    Raises `RuntimeError` when it does not.
    """
    port, http = _free_port(), _free_port()
    environment = {
        **os.environ,
        "MUNJIGI_STATE_DIR": str(state),
        "MUNJIGI_POLICY_HOME": str(ROOT / "policies"),
        "MUNJIGI_GRPC_ADDRESS": f"127.0.0.1:{port}",
        "MUNJIGI_HTTP_ADDRESS": f"127.0.0.1:{http}",
        "MUNJIGI_SAMPLE": "false",
    }
    began = time.perf_counter()
    daemon = subprocess.Popen(
        [str(Path(sys.executable).with_name("munjigi")), "serve"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _serving(port):
            if daemon.poll() is not None or time.perf_counter() - began > _LONGEST:
                raise RuntimeError(f"`munjigi serve` did not serve (exit code {daemon.returncode})")
            time.sleep(0.005)
        return time.perf_counter() - began
    finally:
        if daemon.poll() is None:
            daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)


def _serving(port: int) -> bool:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)):
            return False  # a gRPC channel would back off for longer than a start takes
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            check: Callable[..., bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")
            return check(b"", timeout=2) == _SERVING
        except grpc.RpcError:
            return False
