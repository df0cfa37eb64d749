"""Start on what a crash left, as the next worker and follower do, and hold it against what had been promised."""

from __future__ import annotations

from base64 import b64decode
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from audit.support import START, TickingClock, access
from faults.life import BETWEEN, Follower, open_journal

from munjigi.adapters.elasticsearch.progress import digest_of
from munjigi.app.files import StateFolder
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import AccessRecord, RemovedRecord, TailCutRecord, decode
from munjigi.audit.seal.check import check_seal, verify_sealed
from munjigi.audit.seal.note import Note, VerifierKey

AFTERWARDS = 999_999_999  # the number of the request that the next start takes


@dataclass
class Promises:
    """What the process said until it crashed."""

    sent: set[int] = field(default_factory=set)
    acknowledged: dict[int, int] = field(default_factory=dict)
    checkpoints: list[str] = field(default_factory=list)
    shipped: int = 0
    dead: set[int] = field(default_factory=set)
    removing: set[int] = field(default_factory=lambda: {0})  # where the log may begin
    removed: int = 0

    def note(self, said: str) -> None:
        kind, *rest = said.split()
        if kind == "a":
            self.sent.add(int(rest[0]))
        elif kind == "k":
            self.acknowledged[int(rest[0])] = int(rest[1])
        elif kind == "c":
            self.checkpoints.append(b64decode(rest[0]).decode())
        elif kind == "s":
            self.shipped = int(rest[0])
        elif kind == "d":
            self.dead.add(int(rest[0]))
        elif kind == "b":
            self.removing.add(int(rest[0]))
        else:
            self.removed = int(rest[0])


def check(state: Path, promises: Promises, key: VerifierKey | None) -> None:
    """Start twice, go on, and verify. `key` is the installation's first one, where it was published."""
    folder = StateFolder(state)
    folder.make()
    for number in (AFTERWARDS, AFTERWARDS + 1):
        journal = open_journal(folder, TickingClock(START + 10 * BETWEEN))
        journal.append(access(number))
        journal.sync()
        journal.close()
    log = folder.journal / journal.log_id
    assert list_logs(folder.journal) == [journal.log_id]
    _check_records(log, promises)
    follower = Follower(folder, journal.log_id, lambda _: None)
    with closing(follower.store), closing(follower.source):
        _check_shipping(follower, promises)
        follower.seal()
        follower.pack()
        follower.ship()
    earlier = Note.parse(promises.checkpoints[-1]) if promises.checkpoints else None
    seal = check_seal(folder.seal, lambda _: JournalReader(log), key or follower.key.verifier, earlier)
    assert seal.problem == ""
    found = verify_sealed(log, seal)
    assert found.intact, found
    assert seal.sealed[log.name].size == journal.next_index
    _check_records(log, promises)


def _check_records(log: Path, promises: Promises) -> None:
    with JournalReader(log) as reader:
        first = reader.first()
        found = [decode(payload) for _, payload in reader.read(first, 1 << 30)]
    assert first in promises.removing
    assert first >= promises.removed
    assert [each.index for each in found] == list(range(first, first + len(found)))
    times = [each.time for each in found]
    assert times == sorted(times)
    recovered = {each.index: int(each.request_id[2:]) for each in found if isinstance(each, AccessRecord)}
    assert {(index, each) for index, each in promises.acknowledged.items() if index >= first} <= recovered.items()
    assert set(recovered.values()) <= promises.sent | {AFTERWARDS, AFTERWARDS + 1}
    assert len(set(recovered.values())) == len(recovered)
    assert all(isinstance(each, AccessRecord | TailCutRecord | RemovedRecord) for each in found)


def _check_shipping(follower: Follower, promises: Promises) -> None:
    """Hold the cursor against the log, as `LogShipping` does when it begins."""
    cursor = follower.progress.cursor()
    assert cursor.next_index >= promises.shipped
    if cursor.next_index > follower.source.first():  # else retention removed the last record that was shipped
        ((_, last),) = follower.source.read(cursor.next_index - 1, 1)
        assert digest_of(last) == cursor.digest
    assert promises.dead <= set(follower.progress.dead_letters())
