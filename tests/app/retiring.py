"""An installation with three years of records, of which the oldest are past their retention; and a process that removes them.

Run as a program, it does so again and again, each time in a copy and in a process of its own, which is killed before its first,
second, third call that changes something on disk, until one is left alive.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from audit.support import START, TickingClock, access, open_journal
from seal.installation import KEY, seal_all

from doubles.metrics import MemorySink
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.retention import Retention
from munjigi.audit import files, mark, packing
from munjigi.audit.committer import GroupCommitter
from munjigi.audit.journal import Journal
from munjigi.audit.law import law
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import RemovedRecord, decode
from munjigi.audit.seal.check import check_seal, verify_sealed
from munjigi.audit.seal.note import SigningKey
from munjigi.audit.verify import Verification
from munjigi.monitoring.meter import Meter

COUNT = 300
DAY = 86_400_000_000_000
STEP = 3 * 365 * DAY // COUNT
NOW = START + COUNT * STEP
CUT = law().cut(NOW, 2)


def write(
    state: Path, count: int = COUNT, *, first: int = 0, clock: TickingClock | None = None, start: int = START, slot: int = 0
) -> Path:
    """Write records, one every three or four days, into small segments."""
    clock = clock or TickingClock(start)
    journal = open_journal(state, slot, clock=clock, segment_bytes=9_000)
    for number in range(first, first + count):
        clock.at = max(clock.at, start + number * STEP)
        journal.append(access(number, members=(f"m1.01234567.{number:026d}",)))
        journal.sync()
    journal.close()
    return journal.folder


def ready(state: Path, key: SigningKey = KEY) -> None:
    """Pack and seal everything, as a follower does."""
    for log_id in list_logs(state / "journal"):
        for name in packing.waiting(state / "journal" / log_id):
            packing.pack(state / "journal" / log_id, name)
    seal_all(state, key)


def make(state: Path) -> Path:
    """Make the installation, and return the log's folder."""
    StateFolder(state).make()
    folder = write(state)
    ready(state)
    (state / "keys" / "seal.vkey").write_text(f"{KEY.verifier}\n")
    return folder


def copy_of(made: Path, to: Path) -> Path:
    """Copy an installation, given by the folder of its log."""
    shutil.copytree(made.parents[1], to)
    return to / "journal" / made.name


def retire(
    state: Path,
    *,
    at: int = NOW,
    sink: MemorySink | None = None,
    use: Callable[[Retention, Journal], Any] | None = None,
    **settings: Any,
) -> int:
    """Open the log as a worker does, and remove what may go at this time; return how many segments that were."""
    values: dict[str, Any] = {"state_dir": state, "retention_years": 2, **settings}

    async def run() -> int:
        clock = TickingClock(at)
        journal = open_journal(state, clock=clock, segment_bytes=9_000)
        meter = Meter(sink or MemorySink())
        retention = Retention(
            Settings(**values), journal, GroupCommitter(journal, "loop", lambda _: None), clock, meter, lambda: clock.at
        )
        try:
            if use is not None:
                await use(retention, journal)
            return await retention.step()
        finally:
            meter.flush()
            journal.close()

    return asyncio.run(run())


def verified(folder: Path, archive: Path | None = None) -> Verification:
    """Verify the log with its seal."""
    check = check_seal(folder.parents[1] / "seal", lambda log_id: JournalReader(folder.parent / log_id), KEY.verifier)
    assert check.problem == ""
    return verify_sealed(folder, check, archive=archive)


def first_of(folder: Path) -> int:
    """Return where a log begins."""
    known = mark.read(folder)
    assert known is not None
    return known.first


def payloads_of(folder: Path) -> list[tuple[int, bytes]]:
    """Read all that is left."""
    with closing(JournalReader(folder)) as log:
        return log.read(log.first(), 1 << 20)


def removals(folder: Path) -> list[RemovedRecord]:
    """Return the records of removals that are left."""
    found = (decode(payload) for _, payload in payloads_of(folder))
    return [each for each in found if isinstance(each, RemovedRecord)]


class _Killer:
    """Kills this process before the `where`-th call of the wrapped functions."""

    def __init__(self, where: int) -> None:
        self.left = where

    def wrap(self, target: Any, name: str) -> None:
        real = getattr(target, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        setattr(target, name, wrapped)


def die(state: Path, where: int) -> None:
    """Remove what may go, and be killed on the way."""
    killer = _Killer(where)

    async def arm(_: Retention, _journal: Journal) -> None:
        for name in ("write_all", "sync_file", "sync_folder"):
            killer.wrap(files, name)
        killer.wrap(files.SystemDevice, "append")
        for name in ("rename", "unlink"):
            killer.wrap(Path, name)

    retire(state, use=arm)


def main() -> int:
    made, into = Path(sys.argv[1]), Path(sys.argv[2])
    for where in range(1, 200):
        folder = copy_of(made, into / str(where))
        child = os.fork()
        if not child:
            die(folder.parents[1], where)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        if not status:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
