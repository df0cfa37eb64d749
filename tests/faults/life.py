"""A process that lives a piece of an installation's life in order: append, commit, rotate, seal, change the key, pack, ship, remove.

One thread, so that its calls have one order. It tells on standard output: `a N` (about to append request N), `k INDEX N`
(acknowledged), `c BASE64` (this checkpoint was given out), `s INDEX` (shipped up to), `d INDEX` (a dead letter),
`b INDEX` (about to remove the records before it), `r INDEX` (removed).
Arguments: state folder, seed, rounds, how it ends (`close`, `die`, `torn`).
"""

from __future__ import annotations

import os
import random
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from audit.support import START, TickingClock, access

from munjigi.adapters import seal_keys
from munjigi.adapters.elasticsearch.progress import Cursor, DeadLetter, Progress, digest_of
from munjigi.adapters.seal_keys import public_key
from munjigi.app.files import StateFolder
from munjigi.app.seal_start import begin_seal
from munjigi.audit import packing, removal, retention
from munjigi.audit.journal import Journal
from munjigi.audit.law import law
from munjigi.audit.reader import JournalReader
from munjigi.audit.records import RemovedRecord
from munjigi.audit.seal.reader import sealed_size
from munjigi.audit.seal.store import SealStore

SEGMENT = 6000  # bytes
BETWEEN = 2 * 366 * 86_400 * 10**9  # nanoseconds from life to life: what retention keeps is over
RANDOMNESS = bytes(16)


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def open_journal(folder: StateFolder, clock: TickingClock) -> Journal:
    """Start as a worker does."""
    begin_seal(folder)
    return Journal.open(
        folder.journal,
        0,
        quarantine=folder.quarantine,
        clock=clock,
        randomness=RANDOMNESS,
        segment_bytes=SEGMENT,
        sealed=lambda log_id: sealed_size(folder.seal, log_id),
    )


class Follower:
    """What the follower's jobs do with one log, a step at a time."""

    def __init__(self, folder: StateFolder, log_id: str, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say
        self.key = seal_keys.installation_key(folder.keys)
        self.store = SealStore(folder.seal, self.key)
        self.source = JournalReader(folder.journal / log_id)
        self.progress = Progress(folder.shipping, log_id)
        packing.tidy(folder.journal)

    def seal(self) -> None:
        """Take everything in and sign, with the key that waits, if there is one, too."""
        while self.store.grow(self.source, 100):
            pass
        following = seal_keys.waiting_key(self.folder.keys, seal_keys.INSTALLATION, self.key.verifier.name)
        note = self.store.checkpoint([self.source], (following, START) if following is not None else None)
        if following is not None:
            seal_keys.take_up(self.folder.keys, seal_keys.INSTALLATION, following)
            self.key = following
        if note is not None:
            self.say(f"c {b64encode(str(note).encode()).decode()}")

    def pack(self) -> None:
        folder = self.folder.journal / self.source.log_id
        for name in packing.waiting(folder):
            packing.pack(folder, name)

    def ship(self) -> None:
        """Move the cursor over what is durable; every seventh record is one that the cluster refuses."""
        at = max(self.progress.cursor().next_index, self.source.first())  # what retention removed was never shipped
        found = self.source.read(at, 1000)
        if not found:
            return
        self.source.settle()
        dead = [index for index, _ in found if index % 7 == 3]
        if dead:
            self.progress.add_letters([DeadLetter(index, 400, "document_parsing_exception") for index in dead])
            for index in dead:
                self.say(f"d {index}")
        index, payload = found[-1]
        self.progress.save(Cursor(next_index=index + 1, digest=digest_of(payload)))
        self.say(f"s {index + 1}")


def retain(folder: StateFolder, journal: Journal, now: int) -> None:
    """Remove what may go, as retention does: what is sealed, packed and of an earlier life."""
    rules = retention.Rules(law().cut(now, 1), lambda *_: False, lambda _: True, lambda: None)
    key = public_key(folder.keys / f"{seal_keys.INSTALLATION}.vkey")
    plan = retention.plan(journal.folder, folder.seal, key, rules)
    if plan is None:
        return
    say(f"b {plan.next_index}")
    after = journal.next_index
    journal.change_mark(lambda known: removal.beginning(known, plan.next_index, after))
    index = journal.append(
        RemovedRecord(
            first_index=plan.first_index, next_index=plan.next_index, root=plan.root.hex(), cut=rules.cut, years=1, article="x"
        )
    )
    journal.sync()
    journal.change_mark(lambda known: removal.done(known, plan.next_index, index))
    removal.remove_files(journal.folder, plan.next_index)
    say(f"r {plan.next_index}")


def main() -> int:
    state, seed, rounds, end = sys.argv[1:]
    rng = random.Random(int(seed))
    os.umask(0o077)
    folder = StateFolder(Path(state))
    folder.make()
    clock = TickingClock(START + int(seed) % 100 * BETWEEN)
    journal = open_journal(folder, clock)
    follower = Follower(folder, journal.log_id, say)
    number = int(seed) * 1_000_000
    for turn in range(int(rounds)):
        sent = []
        for _ in range(rng.choice((1, 1, 2, 5, 14))):
            say(f"a {number}")
            sent.append((journal.append(access(number)), number))
            number += 1
        journal.sync()
        for index, each in sent:
            say(f"k {index} {each}")
        if turn == int(rounds) // 2 and not (folder.keys / f"{seal_keys.INSTALLATION}.next.key").exists():
            seal_keys.make_next(folder.keys, seal_keys.INSTALLATION)
        if turn % 2:
            rng.choice((follower.seal, follower.pack, follower.ship))()
        if turn % 5 == 4:
            retain(folder, journal, clock.at)
    if end == "close":
        journal.close()
        follower.seal()
        follower.pack()
        follower.ship()
    elif end == "torn":  # a batch of which the end never came
        for each in range(number, number + 3):
            say(f"a {each}")
            journal.append(access(each))
        batch = journal.take()
        assert batch is not None
        last = max((folder.journal / journal.log_id).glob("*.seg"))
        fd = os.open(last, os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"".join(batch.parts)[:-40])
        os.close(fd)
    return 0


if __name__ == "__main__":
    sys.exit(main())
