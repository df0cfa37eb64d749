"""What the last `munjigi audit reconcile` of a state folder found, for the follower to show. Losing it is harmless."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from munjigi.adapters.secrets import replace_file
from munjigi.kernel.errors import ConfigurationError

_NAME: Final = "reconciled.json"


class Reconciled(msgspec.Struct, frozen=True):
    """When (UTC nanoseconds), and how many documents were missing, altered, invented."""

    at: int = 0
    missing: int = 0
    altered: int = 0
    invented: int = 0


def note(folder: Path, found: Reconciled) -> None:
    """Keep what was found. A folder that can't be written, since it is another user's, is no reason to fail."""
    with suppress(ConfigurationError):
        replace_file(folder / _NAME, msgspec.json.encode(found))


def noted(folder: Path) -> Reconciled:
    """Return what was found last; all 0 when nobody looked, or the file can't be read."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / _NAME).read_bytes(), type=Reconciled)
    return Reconciled()
