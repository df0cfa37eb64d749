"""Look at and end processes that we name by pid and know by their command line: a pid alone may be anybody's."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc/self")
_POLL_SECONDS: Final = 0.02


@contextmanager
def signals_held() -> Iterator[None]:
    """Let SIGTERM and SIGINT wait, so that a child's start and the note of its pid can't be torn apart.

    A child inherits the mask; PostgreSQL's programs set their own. Every other thread has to hold them all the time.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def command_line(pid: int) -> str:
    """Return the command line of a process, arguments joined by spaces; empty when there is no such process."""
    if _PROC.is_dir():
        try:
            return (_PROC.parent / str(pid) / "cmdline").read_bytes().replace(b"\x00", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def end(pid: int, known_by: str, *, gently: signal.Signals, patience: float) -> None:
    """End the process `pid` if `known_by` stands in its command line; after `patience` seconds, by SIGKILL."""
    if known_by not in command_line(pid):
        return
    for number, seconds in ((gently, patience), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):  # gone, or not ours
            return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # A zombie has an empty command line, so a child that nobody has waited for counts as gone.
            if known_by not in command_line(pid):
                return
            time.sleep(_POLL_SECONDS)
