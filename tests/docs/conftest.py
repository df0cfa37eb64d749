from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import ROOT, serving

SECONDS = 60
Run = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A second terminal beside a real daemon with the sample database, in a copy of what the documents touch."""
    checkout = tmp_path_factory.mktemp("docs") / "checkout"
    for part in ("policies", "docs", "clients/python/examples"):
        shutil.copytree(ROOT / part, checkout / part)
    state = checkout / "var"
    with serving(state, "--sample", policy_home=checkout / "policies", MUNJIGI_POLICY_WATCH_SECONDS="0") as daemon:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MUNJIGI_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "MUNJIGI_GRPC_ADDRESS": daemon.grpc_address,
            "MUNJIGI_HTTP_ADDRESS": daemon.http_address,
            "COLUMNS": "110",
        }

        jobs: list[subprocess.Popen[str]] = []

        def run(command: str) -> subprocess.CompletedProcess[str]:
            """Run a command as a shell would: one that ends with `&` goes on after its first line, and `fg` waits for it."""
            if command == "fg":
                job = jobs.pop()
                rest, _ = job.communicate(timeout=SECONDS)
                return subprocess.CompletedProcess(command, job.returncode, rest)
            # The documents name the default addresses.
            moved = command.replace("127.0.0.1:9464", daemon.http_address).replace("127.0.0.1:7443", daemon.grpc_address)
            job = subprocess.Popen(
                ["bash", "-c", f"exec {moved.removesuffix(' &')}" if moved.endswith(" &") else moved],
                cwd=checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            late = threading.Timer(SECONDS, job.kill)
            late.start()
            try:
                if not moved.endswith(" &"):
                    output, _ = job.communicate()
                    return subprocess.CompletedProcess(command, job.returncode, output)
                jobs.append(job)
                assert job.stdout is not None
                return subprocess.CompletedProcess(command, 0, job.stdout.readline())
            finally:
                late.cancel()

        deadline = time.monotonic() + 60
        while not (state / "sample" / "uri").exists():
            assert time.monotonic() < deadline, f"no sample database:\n{daemon.text}"
            time.sleep(0.05)
        yield run
        for job in jobs:
            job.kill()
            job.communicate()
