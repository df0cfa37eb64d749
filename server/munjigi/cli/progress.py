"""Progress of a long command: one line on standard error that is overwritten, where somebody looks at a terminal."""

from __future__ import annotations

import sys
import time
from typing import Final, Self

_EVERY: Final = 0.1  # seconds


class Progress:
    """Counts files and bytes. Call it with each file's name and size."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._last = 0.0
        self._bytes = 0

    def __call__(self, name: str, size: int) -> None:
        """Show that `name` was taken."""
        self._bytes += size
        if self._shown and time.monotonic() - self._last > _EVERY:
            self._last = time.monotonic()
            sys.stderr.write(f"\r\x1b[K{self._bytes / 1e6:.0f} MB  {name}")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
