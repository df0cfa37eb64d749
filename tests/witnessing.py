"""A witness in a process of its own, the command line, and patience: what tests of a sealed daemon share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from e2e_asking import question
from running import Daemon, Stubs

from munjigi.audit.seal.note import Checkpoint, Note

T = TypeVar("T")
BIN = Path(sys.executable).parent / "munjigi"


def until(look: Callable[[], T], seconds: float = 30) -> T:
    """Look until there is something to see."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)
    return found


def munjigi(state: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | settings | {"MUNJIGI_STATE_DIR": str(state)}
    return subprocess.run([BIN, *arguments], env=environment, capture_output=True, text=True, check=False)


def checkpoint(state: Path) -> Note | None:
    """Return the last checkpoint; None while it is over nothing."""
    path = state / "seal" / "checkpoint"
    note = Note.parse(path.read_text()) if path.exists() else None
    return note if note is not None and Checkpoint.parse(note.text).size else None


@contextmanager
def witness(folder: Path, keys: str | Sequence[str], port: int) -> Iterator[subprocess.Popen[str]]:
    watched = [part for key in ([keys] if isinstance(keys, str) else keys) for part in ("--watch", key)]
    command = [BIN, "witness", "--witness-dir", folder, *watched, "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: public_of(port))
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def public_of(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/key", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def decide(daemon: Daemon) -> str:
    with daemon.channel() as channel:
        answer = Stubs(channel).decision.Check(question(), metadata=daemon.credentials("cs.kim"))
    return str(answer.decision_id)


def metrics(daemon: Daemon) -> str:
    try:
        with urllib.request.urlopen(f"http://{daemon.http_address}/metrics", timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""  # the follower is still starting
