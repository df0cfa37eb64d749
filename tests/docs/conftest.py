from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import ROOT, serving

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

        def run(command: str) -> subprocess.CompletedProcess[str]:
            # The documents name the default addresses.
            moved = command.replace("127.0.0.1:9464", daemon.http_address).replace("127.0.0.1:7443", daemon.grpc_address)
            return subprocess.run(
                ["bash", "-c", moved],
                cwd=checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )

        deadline = time.monotonic() + 60
        while not (state / "sample" / "uri").exists():
            assert time.monotonic() < deadline, f"no sample database:\n{daemon.text}"
            time.sleep(0.05)
        yield run
