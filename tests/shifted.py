"""A real daemon whose clock can be set while it runs (`clockshift/`), in all of its processes at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from running import ROOT, Daemon, serving

from munjigi.adapters.identity.local_issuer import mint_employee, mint_tool
from munjigi.kernel.clock import SECOND

DAY = 86_400  # seconds


class Shift:
    """How far the daemon's clock is from ours, in seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds = 0
        self.turns = 0  # odd while the clock is being set
        self.to(0)

    def to(self, seconds: int) -> None:
        """Set the clock; at once, for every process."""
        scratch = self._path.with_suffix(".tmp")
        scratch.write_text(f"{seconds}\n")
        self.turns += 1
        scratch.rename(self._path)
        self.seconds = seconds
        self.turns += 1

    def now(self) -> int:
        """Return what the daemon's clock says."""
        return time.time_ns() + self.seconds * SECOND

    def credentials(self, daemon: Daemon, employee: str = "cs.kim", tool: str = "crm-desk") -> tuple[tuple[str, str], ...]:
        """Return call metadata that was made now by the daemon's clock."""
        return (
            ("authorization", f"Bearer {mint_employee(daemon.state_dir, employee, tool, now=self.now())}"),
            ("munjigi-tool-token", mint_tool(daemon.state_dir, tool, now=self.now())),
        )


@contextmanager
def shifted(state: Path, **settings: str) -> Iterator[tuple[Daemon, Shift]]:
    """Serve with a clock that can be set."""
    shift = Shift(state.parent / "clock")
    environment = {"PYTHONPATH": str(ROOT / "tests" / "clockshift"), "TEST_CLOCK_SHIFT": str(state.parent / "clock")}
    with serving(state, **environment, **settings) as daemon:
        yield daemon, shift


def refused(error: grpc.RpcError) -> bool:
    """Tell whether a call's token was of another time than the clock's."""
    return bool(error.code() == grpc.StatusCode.UNAUTHENTICATED)
