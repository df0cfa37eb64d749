"""The doctor's look at the witnesses: whether each can be reached, and when it co-signed the last checkpoint."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from munjigi.cli.doctor_finding import Finding

if TYPE_CHECKING:
    from munjigi.app.config import Settings
    from munjigi.app.files import StateFolder
    from munjigi.audit.seal.note import VerifierKey

_CHECK: Final = "witness"
_WAIT: Final = 1.0  # seconds for a connection
_PATIENCE: Final = 3.0  # seconds: the checkpoint of this second may still be on its way
_STEP: Final = 0.2


def witnesses(settings: Settings) -> Iterable[Finding]:
    """Connect to each witness and read the checkpoint on disk; nothing is asked of anyone."""
    from munjigi.app.files import StateFolder
    from munjigi.app.sealer import witnesses_of

    if not settings.witnesses:
        yield Finding(_CHECK, "skip", "none is configured", "With one, nobody here can rewrite the past: docs/verify.md.")
        return
    folder = StateFolder(settings.state_dir)
    for client in witnesses_of(settings.witnesses, settings.witness_authority):
        try:
            socket.create_connection(client.address, timeout=_WAIT).close()
        except OSError:
            todo = "Start it, or repair the way to it; until then nobody outside sees the checkpoints."
            yield Finding(_CHECK, "warn", f"{client.name} does not answer; {_seen(folder, client.key, 0.0)}", todo)
            continue
        found = _seen(folder, client.key, _PATIENCE)
        if found.startswith("co-signed"):
            yield Finding(_CHECK, "ok", f"{client.name} answers; {found}")
        else:
            todo = "Look for WITNESS_REFUSES or WITNESS_DIFFERS in the log of `munjigi serve`; it co-signs while that runs."
            yield Finding(_CHECK, "warn", f"{client.name} answers; {found}", todo)


def _seen(folder: StateFolder, key: VerifierKey, patience: float) -> str:
    """Say when a witness co-signed the last checkpoint, waiting for it as long as `patience` (seconds)."""
    from munjigi.audit.seal.store import read_note

    deadline = time.monotonic() + patience
    while True:
        note = read_note(folder.seal)
        at = key.signed_at(note) if note is not None else None
        if at is not None:
            return f"co-signed the last checkpoint at {time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime(at))}"
        if time.monotonic() >= deadline:
            return "nothing is sealed yet" if note is None else "the last checkpoint has no signature of it"
        time.sleep(_STEP)
