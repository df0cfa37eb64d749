"""`munjigi serve`: one lock on the state folder, gateway workers, a follower, the sample database.

The workers are the daemon: when there is none any more, everything ends (`workers.py`). The follower may die and is started
again with back-off; decisions go on meanwhile. The sample database is a convenience and never stands in the way.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from munjigi import __version__
from munjigi.adapters.metrics_folder import prepare_folder
from munjigi.app import logs
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.notice_secrets import refuse_unusable
from munjigi.app.policy_in_force import forget_in_force
from munjigi.app.processes import Process, first, keep
from munjigi.app.synthetic import marked, refuse_meeting
from munjigi.app.workers import Workers, first_line
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.errors import ConfigurationError

_LOGGER: Final = logging.getLogger("munjigi.supervisor")
FIRST_CHECK: Final = "check crm.member --fields name,phone --purpose inquiry --case CS-2026-000123 --member 1000001 --as cs.kim"


def serve(settings: Settings, announce: Callable[[str], None]) -> int:
    """Run the daemon in the foreground until it is asked to stop; return the exit code.

    Raises `ConfigurationError` when it refuses to start.
    """
    _open_standard_streams()
    logs.set_up("munjigi", settings.log_level, settings.log_format)
    refuse_unusable(settings)
    folder = StateFolder(settings.state_dir)
    folder.make()
    if marked(folder):
        refuse_meeting(settings)
    lock = _lock(folder.lock)
    try:
        prepare_folder(folder.metrics, SystemClock().now())
        forget_in_force(folder)
        return asyncio.run(_run(settings, announce))
    finally:
        os.close(lock)


def _open_standard_streams() -> None:
    """Fill what was closed of descriptors 0 to 2: else a journal could get number 2, and every library's complaints."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115  # for as long as the process lives
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _lock(path: Path) -> int:
    """Hold the state folder; a second daemon on it would write the same journal.

    Raises `ConfigurationError`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise ConfigurationError(
            "STATE_IN_USE",
            f"Refusing to start: process {holder} serves from this state folder. "
            "Stop it, or set MUNJIGI_STATE_DIR to another folder.",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


async def _run(settings: Settings, announce: Callable[[str], None]) -> int:
    """Start the children, wait for the first reason to end, and end what was started, whatever happened."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    workers = Workers(settings)
    follower = Process("follower", ["-m", "munjigi.app.follower"], first_line(settings))
    sample = Process("sample", ["-m", "munjigi.adapters.sample.run", "--state-dir", str(settings.state_dir)], b"")
    with_sample = settings.sample and settings.identity == "embedded"
    loop.add_signal_handler(signal.SIGHUP, workers.hang_up)
    stop_asked = asyncio.ensure_future(stopping.wait())
    waits: list[asyncio.Future[Any]] = [stop_asked]
    try:
        ready, code = await workers.begin(stop_asked)
        if not ready:
            # Stopped before it served: its handlers may not have been there yet, then the signal ended it.
            if stop_asked.done():
                return max(code, 0)
            return code if code > 0 else 1
        working = asyncio.ensure_future(workers.run())
        waits += [working, asyncio.ensure_future(keep(follower))]
        if with_sample:
            waits.append(asyncio.ensure_future(_announce_sample(sample)))
        announce(_banner(settings, ready, with_sample))
        _notify("READY=1")
        await first(working, stop_asked)
        _notify("STOPPING=1")
        died = working.done()
        if died:
            _LOGGER.error("the gateway worker ended; stopping", extra={"exit_code": working.result()})
        working.cancel()
        code = await workers.stop()
        # A worker that a signal ended has a negative code.
        return 1 if died else code
    finally:
        for task in waits:
            task.cancel()
        await workers.stop()
        await follower.stop(15)
        await sample.stop(30)


async def _announce_sample(sample: Process) -> None:
    await sample.start()
    await first(sample.ready, asyncio.ensure_future(sample.wait()))
    if sample.ready.done() and sample.ready.result():
        _LOGGER.info("sample member database is ready", extra=sample.ready.result())
        code = await sample.wait()
    else:
        code = await sample.wait()
    _LOGGER.warning("the sample member database is not running; everything else goes on", extra={"exit_code": code})


def _banner(settings: Settings, ready: dict[str, Any], sample: bool) -> str:
    trust = "mutual TLS" if settings.tls else "no TLS, this machine only"
    many = f", {settings.workers} workers" if settings.workers > 1 else ""
    lines = [
        f"Munjigi {__version__} is serving.",
        f"  gRPC    {ready['grpc']}  ({ready['front']} front, {trust}{many})",
        f"  HTTP    http://{settings.http_address}  (/metrics /healthz /readyz)",
        f"  state   {settings.state_dir}",
        f"  policy  {settings.home()}  (revision {ready['policy_revision'][:12]}, {ready['rules']} rules)",
    ]
    if marked(StateFolder(settings.state_dir)):
        lines.append("  SYNTHETIC: all people, grants and records of this folder are made up, and every new record says so, too")
    if ready["policy_refused"]:
        lines.append("  REFUSED: the policy home on disk; the policy of before decides, and `munjigi policy status` says why")
    if sample:
        lines.append("  sample  50,000 synthetic members are being prepared in PostgreSQL; nothing waits for them")
    if settings.identity == "embedded":
        lines += ["Ask from a second terminal:", f"  .venv/bin/munjigi {FIRST_CHECK}"]
    lines.append("Stop with Ctrl-C.")
    return "\n".join(lines)


def _notify(state: str) -> None:
    """Tell systemd (sd_notify(3)) where it started us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1.0)
            sender.connect("\0" + address[1:] if address.startswith("@") else address)
            sender.send(state.encode())
    except OSError as error:
        _LOGGER.warning("the service manager can't be told", extra={"state": state, "error": os.strerror(error.errno or 0)})
