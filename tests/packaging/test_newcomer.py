"""What the README promises a newcomer: `make run` in a fresh checkout, and in a second terminal the tour's first answer."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from running import ROOT, free_port

START_SECONDS = 300.0  # an environment is made and filled from the cache, on a machine that may be busy


def output(*command: str | Path) -> str:
    return subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_run_goes_from_nothing_to_the_first_allow(tmp_path: Path) -> None:
    checkout = tmp_path / "munjigi"
    for name in filter(None, output("git", "ls-files", "-z").split("\0")):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    home = tmp_path / "home"
    home.mkdir()
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("MUNJIGI_", "PYTHON", "COVERAGE", "VIRTUAL"))
    }
    environment = {
        **clean,
        "HOME": str(home),
        # A newcomer's python3, not one of a version manager whose shims ask the home folder; and what was fetched once is not
        # fetched again.
        "PATH": f"{Path(sys.base_prefix) / 'bin'}:{os.environ['PATH']}",
        "UV_CACHE_DIR": output(ROOT / ".ci" / "uv", "cache", "dir").strip(),
        # As the README says where the ports are taken: the same in both terminals.
        "MUNJIGI_GRPC_ADDRESS": f"127.0.0.1:{free_port()}",
        "MUNJIGI_HTTP_ADDRESS": f"127.0.0.1:{free_port()}",
    }
    first = subprocess.Popen(
        ["make", "run"],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    assert first.stdout is not None
    reader = threading.Thread(target=said.extend, args=(first.stdout,), daemon=True)
    reader.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not any("is serving." in line for line in said):
            assert first.poll() is None, "".join(said)
            assert time.monotonic() < deadline, "".join(said)
            time.sleep(0.05)
        export, question = tour()
        second = subprocess.run(
            ["bash", "-c", f"{export}\n{question}"],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert second.returncode == 0, second.stderr
        assert json.loads(second.stdout)["decision"] == "DECISION_ALLOW"
    finally:
        os.killpg(first.pid, signal.SIGINT)  # Ctrl-C reaches everything in the first terminal
        first.wait(60)
        reader.join(10)
        first.stdout.close()
    assert first.returncode in (0, 2, -signal.SIGINT), "".join(said)  # make says 2 when it was interrupted
    assert (checkout / "var" / "journal").is_dir()


def tour() -> tuple[str, str]:
    """Return what the README has a newcomer type in the second terminal."""
    text = (ROOT / "README.md").read_text("utf-8").partition("## A tour")[2]
    export = re.search(r"^export PATH=.*$", text, re.MULTILINE)
    question = re.search(r"^\$ (munjigi check .*)$", text, re.MULTILINE)
    assert export
    assert question
    return export[0], question[1]
