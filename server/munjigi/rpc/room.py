"""Whether there is room for more records. When there is not, nothing is allowed any more; what takes access away still works."""

from __future__ import annotations

from typing import Protocol

from munjigi.kernel.errors import Unavailable


class Reserve(Protocol):
    """Room that is kept back."""

    def release(self) -> None:
        """Give it to what is about to be written, if that may not find room otherwise."""
        ...


class Room:
    """The one switch, set by whoever watches the disk (`app/disk.py`) and asked before each decision."""

    def __init__(self, reserve: Reserve | None = None) -> None:
        self.full = False
        self._reserve = reserve

    def require(self) -> None:
        """Raise `Unavailable` `DISK_FULL` while there is no room for the records of new access."""
        if self.full:
            raise Unavailable(
                "DISK_FULL",
                "The disk of MUNJIGI_STATE_DIR is too full to record more access, so none is given; revocations still work. "
                "The operator frees space (docs/operations.md, Disk).",
            )

    def require_urgent(self) -> None:
        """Make room for the records of a revocation, a suspension or a block, out of the reserve if need be."""
        if self.full and self._reserve is not None:
            self._reserve.release()
