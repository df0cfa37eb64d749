"""What the supervisor and its children agree on: settings come in, one line says ready, end of input says stop.

A child reads its settings as the first line of standard input. When that input ends, because the supervisor
asked or was killed, the child stops. Nothing is left behind by a `kill -9` of the supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from munjigi.app.config import Settings, from_json

RELOADED: Final = "reloaded\n"
_NICE: Final = 5  # decisions come first
EXIT_CONFIGURATION: Final = 78  # sysexits.h EX_CONFIG: a restart will not help


def receive_settings() -> Settings:
    """Read the settings that the supervisor sends."""
    return from_json(sys.stdin.buffer.readline())


def send_ready(**details: Any) -> None:
    """Tell the supervisor that this child does its work now."""
    sys.stdout.write(json.dumps(details) + "\n")
    sys.stdout.flush()


def say_reloaded() -> None:
    """Tell the supervisor that this worker was told to load the policy, so that the others do, too."""
    sys.stdout.write(RELOADED)
    sys.stdout.flush()


def stop_on_request(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Call `stop` on the loop at SIGTERM, SIGINT or the end of standard input."""
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)

    def wait() -> None:
        # Not through sys.stdin, whose lock a thread that waits here would hold at interpreter exit.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def step_aside() -> None:
    """Leave the processor to decisions, and where the worker was put on some cores only, leave those to it.

    A kernel with lazy preemption lets a process that computes go on for a tick although another was woken, whatever its
    niceness: 4 ms, four times a call.
    """
    os.nice(_NICE)
    if hasattr(os, "sched_setaffinity"):
        others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
        if others:
            with contextlib.suppress(OSError):  # not among the cores that the service manager gives us
                os.sched_setaffinity(0, others)
