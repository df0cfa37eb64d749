"""The folder of counts that the daemon's processes share, as who starts them sees it: without the library that counts."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"  # where the library looks for the folder
_BEGAN: Final = "began"


def prepare_folder(folder: Path, now: int) -> None:
    """Empty the folder of counts for a start of the daemon at `now` (UTC nanoseconds) and name it to this process's children."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for file in sorted(folder.rglob("*")):
        if not file.is_dir():
            file.unlink()
    (folder / _BEGAN).write_text(str(now), "ascii")
    os.environ[VARIABLE] = str(folder)


def began(folder: Path) -> int:
    """Return since when the folder's counts are counted, 0 when nobody said."""
    with suppress(OSError, ValueError):
        return int((folder / _BEGAN).read_text("ascii"))
    return 0


def forget(process: str) -> None:
    """Count a process that has ended no longer among those that live."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - costs start time, and processes end seldom

    multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]
