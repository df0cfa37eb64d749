"""The processes of the daemon, as the supervisor sees them: started, ready, asked to stop, kept alive."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

_LOGGER: Final = logging.getLogger("munjigi.supervisor")
_BACKOFF: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_LONG: Final = 60.0  # seconds; what ran for longer is started again at once


@dataclass
class Process:
    """One process: how it is started, what it said when it was ready, and who hears what it says afterwards."""

    name: str
    arguments: list[str]
    first_line: bytes
    process: asyncio.subprocess.Process | None = None
    said: Callable[[bytes], None] = lambda _: None
    ready: asyncio.Future[dict[str, Any]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def start(self) -> None:
        """Start it, or start it again."""
        self.ready = asyncio.get_running_loop().create_future()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *self.arguments, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        assert self.process.stdin is not None
        self.process.stdin.write(self.first_line)
        asyncio.get_running_loop().create_task(self._listen(self.process, self.ready))

    async def _listen(self, process: asyncio.subprocess.Process, ready: asyncio.Future[dict[str, Any]]) -> None:
        assert process.stdout is not None
        line = await process.stdout.readline()
        try:
            ready.set_result(json.loads(line))
        except ValueError:
            ready.set_result({"line": line.decode(errors="replace").strip()} if line else {})
        while said := await process.stdout.readline():
            self.said(said)

    def hang_up(self) -> None:
        """Send SIGHUP on, once the process is ready for it."""
        if self.process is not None and self.process.returncode is None and self.ready.done() and self.ready.result():
            self.process.send_signal(signal.SIGHUP)

    async def wait(self) -> int:
        """Return its exit code when it has ended."""
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


class Backoff:
    """How long to wait before the next start: longer each time a process ended early."""

    def __init__(self) -> None:
        self._failures = 0

    def after(self, seconds: float) -> float:
        """Return the seconds to wait after a process that ran for so long."""
        self._failures = 0 if seconds > _LONG else self._failures + 1
        return _BACKOFF[min(max(self._failures, 1), len(_BACKOFF)) - 1]


async def first(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def keep(process: Process) -> None:
    """Start a process again whenever it ends, later each time it ends early."""
    backoff, now = Backoff(), asyncio.get_running_loop().time
    while True:
        began = now()
        await process.start()
        code = await process.wait()
        delay = backoff.after(now() - began)
        _LOGGER.warning("the %s ended and is started again", process.name, extra={"exit_code": code, "delay_seconds": delay})
        await asyncio.sleep(delay)
