"""Have policy homes compiled in a process beside this one, and take its bundles in slices of a millisecond.

The process is started for the first order and kept for a while: a second load is then quicker by its start.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from munjigi.app import logs
from munjigi.app.policy_handover import Assembly, Pace
from munjigi.app.policy_orders import LENGTH, OUTCOME, Order, Outcome, internal
from munjigi.policy.types import PolicyBundle, Problem

_LOGGER: Final = logging.getLogger("munjigi.policy")
_IDLE_SECONDS: Final = 30.0
_LONGEST_SECONDS: Final = 300.0


class Compiled(NamedTuple):
    """What became of an order, and the bundle when there is a new one."""

    outcome: Outcome
    bundle: PolicyBundle | None


class PolicyCompiler:
    """Compiles one policy home at a time. Lives on the event loop."""

    def __init__(self, home: Path, mode: str, kept: Path) -> None:
        self._home = home
        self._mode = mode
        self._kept = kept
        self._process: Process | None = None
        self._busy = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def load(self, before: str) -> Compiled:
        """Compile the policy home; unless it is revision `before`, keep the bundle's files and return it."""
        return await self._order(Order(str(self._home), self._mode, None, str(self._kept), before))

    async def check(self, files: Mapping[str, bytes] | None) -> Outcome:
        """Compile and test files (None: those of the policy home) and use nothing of them."""
        order = Order(str(self._home), self._mode, None if files is None else dict(files))
        return (await self._order(order)).outcome

    def peak_mebibytes(self) -> float:
        """Return the most memory that the process has had so far (Linux); 0 when it does not run."""
        if self._process is None:
            return 0
        lines = Path(f"/proc/{self._process.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))

    async def close(self) -> None:
        """End the process."""
        async with self._busy:
            await self._end()

    async def _order(self, order: Order) -> Compiled:
        async with self._busy:
            if self._idle is not None:
                self._idle.cancel()
            try:
                async with asyncio.timeout(_LONGEST_SECONDS):
                    process = await self._running()
                    return await _ask(process, order)
            except (OSError, EOFError, asyncio.IncompleteReadError, TimeoutError) as error:
                await self._end()
                _LOGGER.error("the policy compiler ended early", extra={"error": type(error).__name__})  # noqa: TRY400
                message = "The process that compiles policies ended before it was done; make sure that it gets enough memory, then reload."
                return Compiled(Outcome((Problem("", 0, 0, "error", "POLICY_COMPILER_ENDED", message),)), None)
            except Exception as error:  # noqa: BLE001 - no edit of a policy file may end the decisions
                await self._end()
                _LOGGER.error("the policy home could not be compiled", extra={"error": type(error).__name__})  # noqa: TRY400
                return Compiled(Outcome((internal(),)), None)
            finally:
                self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._dismiss)

    async def _running(self) -> Process:
        process = self._process
        if process is None or process.returncode is not None:
            arguments = ("-m", "munjigi.app.policy_child", *logs.style_in_use())
            process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=PIPE, stdout=PIPE)
            self._process = process
        return process

    def _dismiss(self) -> None:
        if not self._busy.locked() and self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()  # it ends then
            self._process = None

    async def _end(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _ask(process: Process, order: Order) -> Compiled:
    assert process.stdin is not None
    assert process.stdout is not None
    sent = pickle.dumps(order)
    process.stdin.write(len(sent).to_bytes(LENGTH) + sent)
    await process.stdin.drain()
    frame = await _frame(process.stdout)
    if frame[:1] == OUTCOME:
        return Compiled(_outcome(frame), None)
    assembly, pace = Assembly(), Pace()
    gc.collect(1)
    gc.disable()  # it would walk the rules that come, again and again
    try:
        while frame[:1] != OUTCOME:
            await pace.through(assembly.take(frame))
            frame = await _frame(process.stdout)
        return Compiled(_outcome(frame), assembly.finish())
    finally:
        gc.freeze()  # nor need it look at what stays
        gc.enable()


async def _frame(stream: asyncio.StreamReader) -> bytes:
    return await stream.readexactly(int.from_bytes(await stream.readexactly(LENGTH)))


def _outcome(frame: bytes) -> Outcome:
    outcome: Outcome = pickle.loads(frame[1:])  # noqa: S301 - our own child wrote it
    return outcome
