"""The logs of this installation, as the worker that writes one of the journals sees them."""

from __future__ import annotations

from collections.abc import Callable

from munjigi.adapters.seal_keys import public_key
from munjigi.app.files import StateFolder
from munjigi.audit.journal import Journal
from munjigi.audit.reader import list_logs
from munjigi.audit.seal.check import SealCheck, check_seal, verify_sealed
from munjigi.audit.verify import Verification
from munjigi.grants.ports import PermissionRows
from munjigi.grants.verification import verify_permissions
from munjigi.kernel.errors import NotFound


class Trail:
    """All journals under one folder, of which `own` is written by this process, and the log of permission records.

    `revision` tells the last grant revision that this process decides by.
    """

    def __init__(self, folder: StateFolder, own: Journal, permissions: PermissionRows, revision: Callable[[], int]) -> None:
        self._folder = folder
        self._root = folder.journal
        self._own = own
        self._permissions = permissions
        self._permission_log = permissions.log_head().log_id
        self._revision = revision

    def durable(self) -> dict[str, int]:
        """Return the number of durable records: of the log that this process writes, and of permissions that it knows of."""
        return {self._own.log_id: self._own.durable_index, self._permission_log: self._revision()}

    def verify(self, log_id: str) -> tuple[SealCheck, list[Verification]]:
        """Check the seal, and verify one log, or all with an empty id; our own up to what is durable."""
        logs = [*list_logs(self._root), self._permission_log]
        if log_id:
            if log_id not in logs:
                raise NotFound("LOG_UNKNOWN", "No log has this log id; leave it out to verify all.")
            logs = [log_id]
        public = self._folder.keys / "seal.vkey"
        seal = check_seal(self._folder.seal, self._root, public_key(public) if public.exists() else None)
        return seal, [self._verify(each, seal) for each in logs]

    def _verify(self, log_id: str, seal: SealCheck) -> Verification:
        if log_id == self._permission_log:
            return verify_permissions(self._permissions, seal.sealed.get(log_id))
        return verify_sealed(self._root / log_id, seal, self._own.durable_index if log_id == self._own.log_id else None)
