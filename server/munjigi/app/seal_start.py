"""A seal is there before the first log, and a start without it is refused: removing it would let old copies pass."""

from __future__ import annotations

from munjigi.adapters.seal_keys import INSTALLATION, installation_key
from munjigi.app.files import StateFolder
from munjigi.audit.reader import list_logs
from munjigi.audit.seal.store import CHECKPOINT, SealStore
from munjigi.kernel.errors import Corruption


def begin_seal(folder: StateFolder) -> None:
    """Make the installation's key and the checkpoint over nothing, which come before its first log.

    Without its key a seal begins anew, under a new name: so a loss is accepted where everybody sees it.
    Raises `Corruption` when the seal of a log is gone, `ConfigurationError` for an unsafe key.
    """
    if (folder.seal / CHECKPOINT).exists():
        return
    if (folder.keys / f"{INSTALLATION}.key").exists() and list_logs(folder.journal):
        raise Corruption(
            "SEAL_GONE",
            f"{folder.seal / CHECKPOINT} is missing, and logs that it covers are there: it was removed. Munjigi does not start "
            "without it; put the state folder aside and restore a backup, or, to accept that nothing older can be proved, move "
            f"{folder.seal} and {INSTALLATION}.key, {INSTALLATION}.vkey in {folder.keys} away: a new seal begins, under a new "
            "name that auditors and witnesses must be told.",
        )
    SealStore(folder.seal, installation_key(folder.keys)).close()
