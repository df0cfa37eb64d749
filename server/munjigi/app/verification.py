"""Verify a state folder on its files alone, whether a daemon serves from it or not. Repairs nothing."""

from __future__ import annotations

import fcntl
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from munjigi.adapters.seal_keys import public_key
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.state import has_state, read_state
from munjigi.audit.reader import list_logs
from munjigi.audit.seal.check import SealCheck, check_seal, verify_sealed
from munjigi.audit.seal.note import Note, VerifierKey
from munjigi.audit.slots import named
from munjigi.audit.verify import Verification
from munjigi.grants.verification import verify_permissions
from munjigi.kernel.errors import Corruption, Unavailable

_TORN: Final = 20  # looks at a tail that a running gateway is writing
_PAUSE: Final = 0.05  # seconds between them


def verify_logs(folder: StateFolder, seal: SealCheck, log_id: str = "", archive: Path | None = None) -> list[Verification]:
    """Verify all logs against the seal, or one; a log that is known to have been there and is gone is a finding.

    `archive`: what it holds of a journal is verified with the rest.
    """
    permissions = permissions_of(folder, seal, log_id)
    known = {each.log_id for each in permissions}
    logs = set(list_logs(folder.journal))
    gone = set(missing_logs(folder.journal)) | (seal.sealed.keys() - logs - known)
    wanted = {log_id} if log_id else logs | gone
    found = [
        settled(folder.journal / each, seal, archive / each if archive is not None else None) for each in sorted(logs & wanted)
    ]
    found += [Verification(each, False, 0, "", "", 0, 0, "LOG_MISSING") for each in sorted(gone & wanted)]
    return found + permissions


def missing_logs(root: Path) -> list[str]:
    """Return the logs that a slot file beside the journal folder names and that are not in it: someone removed them."""
    return sorted(named(root) - set(list_logs(root)))


def permissions_of(folder: StateFolder, seal: SealCheck, log_id: str = "") -> list[Verification]:
    """Verify the logs of permission records, or one of them; none when there is no state store yet."""
    if not has_state(folder):
        return []
    store = read_state(folder)
    try:
        return [each for each in verify_permissions(store, seal.sealed) if log_id in ("", each.log_id)]
    except (Corruption, Unavailable):
        return [Verification("", False, 0, "", store.name, 0, 0, "STATE_UNREADABLE")]
    finally:
        store.close()


def seal_of(folder: StateFolder, key: str = "", checkpoint: Path | None = None) -> SealCheck:
    """Check the seal, by its own published key where none is given. `checkpoint` is one that somebody kept."""
    own = folder.keys / "seal.vkey"
    given = VerifierKey.parse(key) if key else public_key(own) if own.exists() else None
    earlier = Note.parse(checkpoint.read_text("utf-8", "replace")) if checkpoint is not None else None
    with closing(LogSources(folder)) as sources:
        return check_seal(folder.seal, sources.of, given, earlier)


def settled(folder: Path, seal: SealCheck, archive: Path | None = None) -> Verification:
    """Verify a journal; while a gateway is writing, a tail that is torn at one look is whole at the next.

    A finding that stays in its place stands, and so does any finding after `_TORN` looks.
    """
    last = verify_sealed(folder, seal, archive=archive)
    for _ in range(_TORN):
        if last.intact or not _being_written(folder):
            break
        time.sleep(_PAUSE)
        again = verify_sealed(folder, seal, archive=archive)
        same_place = (again.file, again.offset) == (last.file, last.offset)
        last = again
        if same_place:
            break
    return last


def _being_written(folder: Path) -> bool:
    """Tell whether a gateway serves from this state folder: its lock can't be had."""
    try:
        with (folder.parent.parent / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
