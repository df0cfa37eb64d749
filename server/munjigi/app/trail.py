"""The journals of this installation, as the worker that writes one of them sees them."""

from __future__ import annotations

from pathlib import Path

from munjigi.audit.journal import Journal
from munjigi.audit.reader import list_logs
from munjigi.audit.verify import Verification, verify_journal
from munjigi.kernel.errors import NotFound


class Journals:
    """All logs under one journal folder; `own` is written by this process."""

    def __init__(self, root: Path, own: Journal) -> None:
        self._root = root
        self._own = own

    def durable(self) -> dict[str, int]:
        """Return the number of durable records of the log that this process writes."""
        return {self._own.log_id: self._own.durable_index}

    def verify(self, log_id: str) -> list[Verification]:
        """Verify one log, or all with an empty id; our own up to what is durable."""
        logs = list_logs(self._root)
        if log_id:
            if log_id not in logs:
                raise NotFound("LOG_UNKNOWN", "No journal has this log id; leave it out to verify all.")
            logs = [log_id]
        durable = self._own.durable_index
        return [verify_journal(self._root / each, live_until=durable if each == self._own.log_id else None) for each in logs]
