"""What one process of the daemon shows the others: that it lives, and whether it serves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from munjigi.kernel.clock import SECOND

STALE: Final = 5 * SECOND


class Heartbeat:
    """A small file in the state folder's `run/`, replaced whole."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.json"

    def beat(self, now: int, serving: bool) -> None:
        """Show a sign of life at `now` (UTC nanoseconds). A full disk must not stop the process."""
        scratch = self._path.with_suffix(".tmp")
        try:
            scratch.write_text(json.dumps({"pid": os.getpid(), "time": now, "serving": serving}))
            scratch.replace(self._path)
        except OSError:
            return

    def alive(self, now: int) -> bool:
        """Tell whether the last sign of life is fresh and said that the process serves."""
        try:
            content = json.loads(self._path.read_text())
            return bool(content["serving"]) and abs(now - int(content["time"])) < STALE
        except (OSError, ValueError, KeyError, TypeError):
            return False
