"""`munjigi serve`: one lock on the state folder, a gateway worker, a follower, the sample database.

The worker is the daemon: when it ends, everything ends. The follower may die and is started again with
back-off; decisions go on meanwhile. The sample database is a convenience and never stands in the way.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import socket
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from munjigi import __version__
from munjigi.adapters.prometheus import prepare_folder
from munjigi.app import logs
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.kernel.errors import ConfigurationError

_LOGGER: Final = logging.getLogger("munjigi.supervisor")
FIRST_CHECK: Final = "check crm.member --fields name,phone --purpose inquiry --case CS-2026-000123 --member 1000001 --as cs.kim"
_BACKOFF: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass
class _Child:
    """One process: how it is started and what it said when it was ready."""

    name: str
    arguments: list[str]
    first_line: bytes
    process: Process | None = None
    ready: asyncio.Future[dict[str, Any]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def start(self) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *self.arguments, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        assert self.process.stdin is not None
        self.process.stdin.write(self.first_line)
        asyncio.get_running_loop().create_task(self._listen(self.process))

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not self.ready.done():
            try:
                self.ready.set_result(json.loads(line))
            except ValueError:
                self.ready.set_result({"line": line.decode(errors="replace").strip()} if line else {})
        while await process.stdout.readline():
            pass

    def hang_up(self) -> None:
        """Send SIGHUP on, once the process is ready for it."""
        if self.process is not None and self.process.returncode is None and self.ready.done() and self.ready.result():
            self.process.send_signal(signal.SIGHUP)

    async def wait(self) -> int:
        assert self.process is not None
        return await self.process.wait()

    async def stop(self, seconds: float) -> int:
        """Ask the process to stop; kill it when it has not after `seconds`."""
        process = self.process
        if process is None or process.returncode is not None:
            return process.returncode or 0 if process is not None else 0
        process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            _LOGGER.warning("child did not stop in time and was killed", extra={"child": self.name})
            process.kill()
            return await process.wait()


def serve(settings: Settings, announce: Callable[[str], None]) -> int:
    """Run the daemon in the foreground until it is asked to stop; return the exit code.

    Raises `ConfigurationError` when it refuses to start.
    """
    _open_standard_streams()
    logs.set_up("munjigi", settings.log_level, settings.log_format)
    folder = StateFolder(settings.state_dir)
    folder.make()
    lock = _lock(folder.lock)
    try:
        prepare_folder(folder.metrics)
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
    first_line = settings.model_dump_json().encode() + b"\n"
    worker = _Child("worker", ["-m", "munjigi.app.worker"], first_line)
    follower = _Child("follower", ["-m", "munjigi.app.follower"], first_line)
    sample = _Child("sample", ["-m", "munjigi.adapters.sample.run", "--state-dir", str(settings.state_dir)], b"")
    with_sample = settings.sample and settings.identity == "embedded"
    await worker.start()
    loop.add_signal_handler(signal.SIGHUP, worker.hang_up)
    ended = asyncio.ensure_future(worker.wait())
    stop_asked = asyncio.ensure_future(stopping.wait())
    waits: list[asyncio.Future[Any]] = [stop_asked]
    try:
        await _first(worker.ready, ended, stop_asked)
        if not (worker.ready.done() and worker.ready.result()):
            code = await worker.stop(settings.drain_seconds + 10)
            # Stopped before it served: its handlers may not have been there yet, then the signal ended it.
            if stop_asked.done():
                return max(code, 0)
            return code if code > 0 else 1
        waits.append(asyncio.ensure_future(_keep(follower)))
        if with_sample:
            waits.append(asyncio.ensure_future(_announce_sample(sample)))
        announce(_banner(settings, worker.ready.result(), with_sample))
        _notify("READY=1")
        await _first(ended, stop_asked)
        _notify("STOPPING=1")
        died = ended.done()
        if died:
            _LOGGER.error("the gateway worker ended; stopping", extra={"exit_code": ended.result()})
        code = await worker.stop(settings.drain_seconds + 10)
        # A worker that a signal ended has a negative code.
        return 1 if died else code
    finally:
        for task in waits:
            task.cancel()
        await worker.stop(settings.drain_seconds + 10)
        await follower.stop(15)
        await sample.stop(30)


async def _first(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _keep(follower: _Child) -> None:
    """Start the follower again whenever it ends, later each time it ends early."""
    failures = 0
    while True:
        began = asyncio.get_running_loop().time()
        await follower.start()
        code = await follower.wait()
        failures = 0 if asyncio.get_running_loop().time() - began > 60 else failures + 1
        delay = _BACKOFF[min(failures, len(_BACKOFF)) - 1] if failures else _BACKOFF[0]
        _LOGGER.warning("the follower ended and is started again", extra={"exit_code": code, "delay_seconds": delay})
        await asyncio.sleep(delay)


async def _announce_sample(sample: _Child) -> None:
    await sample.start()
    await _first(sample.ready, asyncio.ensure_future(sample.wait()))
    if sample.ready.done() and sample.ready.result():
        _LOGGER.info("sample member database is ready", extra=sample.ready.result())
        code = await sample.wait()
    else:
        code = await sample.wait()
    _LOGGER.warning("the sample member database is not running; everything else goes on", extra={"exit_code": code})


def _banner(settings: Settings, ready: dict[str, Any], sample: bool) -> str:
    trust = "mutual TLS" if settings.tls else "no TLS, this machine only"
    lines = [
        f"Munjigi {__version__} is serving.",
        f"  gRPC    {ready['grpc']}  ({ready['front']} front, {trust})",
        f"  HTTP    http://{settings.http_address}  (/metrics /healthz /readyz)",
        f"  state   {settings.state_dir}",
        f"  policy  {settings.home()}  (revision {ready['policy_revision'][:12]}, {ready['rules']} rules)",
    ]
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
