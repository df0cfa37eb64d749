"""A fresh state folder for a made-up company: made here, marked unfinished until all is in it, and named synthetic for ever."""

from __future__ import annotations

import os
from pathlib import Path

from munjigi.adapters.identity.local_issuer import issuer_key_path
from munjigi.adapters.seal_keys import installation_key
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.seal_start import begin_seal
from munjigi.app.synthetic import refuse_meeting
from munjigi.audit.files import FOLDER_MODE, sync_folder, write_file
from munjigi.audit.seal.store import SealStore
from munjigi.kernel.errors import ConfigurationError, FailedPrecondition, Unavailable

_PIECE = 10_000  # records


def make_fresh(settings: Settings) -> StateFolder:
    """Make the folder that settings name, which must not be there, under the name of a synthetic installation.

    Raises `FailedPrecondition` when something is there, `ConfigurationError` when it can't be made or settings name what is real.
    """
    folder = StateFolder(settings.state_dir)
    if os.path.lexists(folder.root):
        real = "a real installation" if issuer_key_path(folder.root).exists() or folder.journal.exists() else "something"
        raise FailedPrecondition(
            "STATE_NOT_FRESH",
            f"{folder.root} is there already and may be {real}: made-up records go only into a folder that is made for them. "
            "Name one that does not exist with --state-dir.",
        )
    refuse_meeting(settings)
    try:
        folder.root.mkdir(mode=FOLDER_MODE, parents=True)
        folder.make()
        write_file(folder.making, b"")
        sync_folder(folder.root)
    except OSError as error:
        raise ConfigurationError(
            "STATE_NOT_WRITABLE", f"{folder.root} can't be made ({error.strerror}); name another folder with --state-dir."
        ) from None
    installation_key(folder.keys, synthetic=True)
    begin_seal(folder)
    return folder


def finish(folder: StateFolder) -> int:
    """Seal all that is in the folder under one checkpoint, take the mark away, and return how many records there are.

    Raises `Unavailable` when the disk refuses.
    """
    try:
        records = _seal(folder)
        folder.making.unlink()
        sync_folder(folder.root)
    except OSError as error:
        raise Unavailable("SEAL_UNWRITABLE", f"The seal can't be written ({error.strerror}); free space on its disk.") from error
    return records


def _seal(folder: StateFolder) -> int:
    seal, sources = SealStore(folder.seal, installation_key(folder.keys)), LogSources(folder)
    try:
        logs = sources.look()
        for log in logs:
            while seal.grow(log, _PIECE):
                pass
        seal.checkpoint(logs)
        return sum(each.size for each in seal.heads.values())
    finally:
        sources.close()
        seal.close()


def size_of(path: Path) -> int:
    """Return the bytes of the files under a folder."""
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
