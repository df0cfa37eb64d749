"""P1: ext4 aborts its journal while records and permissions are written. What was acknowledged is there afterwards."""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol

import parts
import pytest
from audit.support import START, access, open_journal

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import AccessRecord, decode
from munjigi.grants.changes import person_changed
from munjigi.kernel.errors import AuditUnavailable, Unavailable
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import EmployeeKey

WRITERS = 3  # the moment of the abort should be in the middle of somebody's commit
ROUNDS = 15  # without the look after a commit, every third loses something


class Written(Protocol):
    """What is written in a folder, one commit after the other."""

    def __init__(self, folder: Path) -> None: ...

    def commit(self) -> None:
        """Return when there is one more. Raises one of `REFUSALS`."""

    def count(self) -> int:
        """Return how many the files hold."""

    def close(self) -> None: ...


REFUSALS = (AuditUnavailable, Unavailable)


class Records:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / "journal"
        self._journal = open_journal(folder)

    def commit(self) -> None:
        self._journal.append(access())
        self._journal.sync()

    def count(self) -> int:
        (log_id,) = list_logs(self._folder)
        with JournalReader(self._folder / log_id) as reader:
            return sum(isinstance(decode(payload), AccessRecord) for _, payload in reader.read(0, 1 << 30))

    def close(self) -> None:
        self._journal.close()


class Permissions:
    def __init__(self, folder: Path) -> None:
        self._store = SqliteStateStore(folder / "state.sqlite")
        self._store.migrate()

    def commit(self) -> None:
        edit = person_changed(Person("p.kim", "employee", "cs", (EmployeeKey("urn:test", "kim"),)))
        self._store.apply([edit], at=START, actor="lee", request_id="r-1")

    def count(self) -> int:
        return self._store.revision()

    def close(self) -> None:
        self._store.close()


class Writer:
    """Commits until it is refused; `acknowledged` of them returned."""

    def __init__(self, kind: type[Written], folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._written = kind(folder)
        self.acknowledged = self._written.count()
        self.under_way = threading.Event()

    def run(self) -> None:
        with suppress(*REFUSALS):
            while True:
                self._written.commit()
                self.acknowledged += 1
                self.under_way.set()

    def close(self) -> None:
        with suppress(*REFUSALS):
            self._written.close()


def lost(kind: type[Written], image: Path, disk: Path) -> int:
    """Break a file system under load, mend it, and return how many commits were acknowledged and are gone."""
    folders = [disk / f"writer-{number}" for number in range(WRITERS)]
    with parts.mounted(image, disk):
        writers = [Writer(kind, folder) for folder in folders]
        with ThreadPoolExecutor(WRITERS) as threads:
            running = [threads.submit(writer.run) for writer in writers]
            for writer in writers:
                assert writer.under_way.wait(30)
            parts.break_ext4(disk)
        for each in running:
            each.result()
        for writer in writers:
            writer.close()
    parts.mend_ext4(image)
    gone = 0
    with parts.mounted(image, disk):
        for writer, folder in zip(writers, folders, strict=True):
            with closing(kind(folder)) as written:
                gone += max(0, writer.acknowledged - written.count())
    return gone


@pytest.mark.parametrize("kind", [Records, Permissions])
def test_p1_what_an_aborted_file_system_did_not_keep_is_not_acknowledged(tmp_path: Path, kind: type[Written]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    begun = parts.make_ext4(tmp_path / "begun", 64)
    with parts.mounted(begun, disk):  # made once: logs and tables take longer than what follows
        for number in range(WRITERS):
            Writer(kind, disk / f"writer-{number}").close()
    image = tmp_path / "image"
    found = []
    for _ in range(ROUNDS):
        subprocess.run(["cp", "--sparse=always", str(begun), str(image)], check=True)
        found.append(lost(kind, image, disk))
    assert not any(found), f"acknowledged commits are gone, by round: {found}"
