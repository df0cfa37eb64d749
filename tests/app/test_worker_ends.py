"""There is no half-daemon: what dies takes the worker down, and says so without repeating what it held."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from munjigi.app import logs
from munjigi.app.config import load_settings, to_json
from munjigi.app.files import StateFolder

ROOT = Path(__file__).resolve().parents[2]
SECRET = "010-1234-5678"
TASK = f"""
import asyncio, sys
from munjigi.app import lease_keeper, worker
async def dies(*_):
    await asyncio.sleep(0.1)
    raise ValueError("{SECRET}")
lease_keeper.LeaseKeeper.run = dies
sys.exit(worker.main())
"""
FRONT = """
import asyncio, gc, sys
from munjigi.app import lease_keeper, worker
async def ends_the_front(*_):
    while True:
        await asyncio.sleep(0.1)
        for found in gc.get_objects():
            if type(found).__name__ == "NativeFront" and hasattr(found, "ended"):
                found._front.close()
lease_keeper.LeaseKeeper.run = ends_the_front
sys.exit(worker.main())
"""


@pytest.mark.parametrize(
    ("front", "code", "said"), [("native", TASK, "ValueError"), ("grpcio", TASK, "ValueError"), ("native", FRONT, "FRONT_ENDED")]
)
def test_what_dies_takes_the_worker_down(tmp_path: Path, front: str, code: str, said: str) -> None:
    if front == "native":
        pytest.importorskip("pygrpc_native")
    folder = StateFolder(tmp_path / "state")
    folder.make()
    settings = load_settings(
        {
            "state_dir": folder.root,
            "policy_home": ROOT / "policies",
            "front": front,
            "grpc_address": "127.0.0.1:0",
            "sample": False,
            "log_format": "json",
        }
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder.metrics)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(to_json(settings).decode() + "\n")
        process.stdin.flush()  # and it stays open: nobody asked for a stop
        assert process.wait(30) == 1
        assert process.stderr is not None
        errors = process.stderr.read()
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()
    assert said in errors
    assert SECRET not in errors
    assert "Traceback" not in errors


def test_p5_a_callback_that_fails_is_logged_without_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(payload: str) -> None:
        raise ValueError(payload)

    async def run() -> None:
        logs.watch_loop(asyncio.get_running_loop())
        asyncio.get_running_loop().call_soon(fails, SECRET)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    root, ours = logging.getLogger(), logging.getLogger("munjigi")
    before = root.handlers[:], root.level, ours.level
    try:
        logs.set_up("worker", "debug", "json")
        asyncio.run(run())
    finally:
        root.handlers[:], level, our_level = before
        root.setLevel(level)
        ours.setLevel(our_level)
    errors = capsys.readouterr().err
    assert "a callback failed" in errors
    assert "test_worker_ends.py" in errors
    assert SECRET not in errors
