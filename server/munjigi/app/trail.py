"""The journals of this installation, as the worker that writes one of them sees them."""

from __future__ import annotations

from munjigi.adapters.seal_keys import public_key
from munjigi.app.files import StateFolder
from munjigi.audit.journal import Journal
from munjigi.audit.reader import list_logs
from munjigi.audit.seal.check import SealCheck, check_seal, verify_sealed
from munjigi.audit.verify import Verification
from munjigi.kernel.errors import NotFound


class Journals:
    """All logs under one journal folder; `own` is written by this process."""

    def __init__(self, folder: StateFolder, own: Journal) -> None:
        self._folder = folder
        self._root = folder.journal
        self._own = own

    def durable(self) -> dict[str, int]:
        """Return the number of durable records of the log that this process writes."""
        return {self._own.log_id: self._own.durable_index}

    def verify(self, log_id: str) -> tuple[SealCheck, list[Verification]]:
        """Check the seal, and verify one log, or all with an empty id; our own up to what is durable."""
        logs = list_logs(self._root)
        if log_id:
            if log_id not in logs:
                raise NotFound("LOG_UNKNOWN", "No journal has this log id; leave it out to verify all.")
            logs = [log_id]
        durable = self._own.durable_index
        public = self._folder.keys / "seal.vkey"
        seal = check_seal(self._folder.seal, self._root, public_key(public) if public.exists() else None)
        return seal, [verify_sealed(self._root / each, seal, durable if each == self._own.log_id else None) for each in logs]
