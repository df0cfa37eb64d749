"""A small installation without a daemon: journal, permissions, seal, keys and a policy, all written by the real parts."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from audit.support import START, TickingClock, access
from grants.conformance_state import ALICE, GRANT

from munjigi.adapters.policy_files import keep_last
from munjigi.adapters.seal_keys import INSTALLATION, installation_key, make_next, take_up, waiting_key
from munjigi.adapters.secrets import member_key, names_key
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.backup import back_up
from munjigi.app.backup_contents import Manifest
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.restore import restore
from munjigi.app.verification import seal_of, verify_logs
from munjigi.audit import packing, removal, segment
from munjigi.audit.holds import Hold, HoldFiles, without
from munjigi.audit.journal import Journal
from munjigi.audit.records import ReleaseRecord, RemovedRecord, RestoredRecord
from munjigi.audit.seal.check import SealCheck
from munjigi.audit.seal.reader import sealed_size
from munjigi.audit.seal.store import SealStore
from munjigi.audit.verify import Verification
from munjigi.grants.changes import grant_added, grant_changed, person_changed

SEGMENT = 6000  # bytes: a rotation after about ten records


@dataclass
class Installation:
    """A state folder with a writer of each kind, all in this process."""

    folder: StateFolder
    clock: TickingClock = field(default_factory=TickingClock)
    disturb: Callable[[], object] | None = None  # what happens between the steps of a removal

    def __post_init__(self) -> None:
        self.folder.make()
        member_key(self.folder.keys / "member.key")
        names_key(self.folder.keys / "names.key")
        self.key = installation_key(self.folder.keys)
        self.journal = self._journal()
        self.store = SqliteStateStore(self.folder.state)
        self.store.migrate()
        self.sources = LogSources(self.folder)
        self.sealer = SealStore(self.folder.seal, self.key)
        self.count = self.journal.next_index

    def _journal(self) -> Journal:
        return Journal.open(
            self.folder.journal,
            0,
            quarantine=self.folder.quarantine,
            clock=self.clock,
            randomness=os.urandom(16),
            segment_bytes=SEGMENT,
            sealed=lambda log_id: sealed_size(self.folder.seal, log_id),
        )

    def append(self, count: int = 1) -> None:
        for _ in range(count):
            self.journal.append(access(self.count))
            self.count += 1
        self.journal.sync()

    def torn(self) -> None:
        """Leave what a write that is under way looks like: part of a frame at the end."""
        last = max((self.folder.journal / self.journal.log_id).glob("*.seg"))
        with last.open("ab") as file:
            file.write(b"\x00\x00\x01\x00torn")

    def grant(self) -> None:
        edits = [grant_changed(replace(GRANT, ends_at=GRANT.ends_at + self.store.revision()))]
        if not self.store.revision():
            edits = [person_changed(ALICE), grant_added(GRANT)]
        self.store.apply(edits, at=self.clock.now(), actor="cs.lee", request_id="r")

    def pack(self) -> None:
        log = self.folder.journal / self.journal.log_id
        for name in packing.waiting(log)[:1]:
            packing.pack(log, name)

    def seal(self) -> None:
        sources = self.sources.look()
        for source in sources:
            while self.sealer.grow(source, 1000):
                pass
        self.sealer.checkpoint(sources)

    def rotate(self) -> None:
        make_next(self.folder.keys, INSTALLATION)
        following = waiting_key(self.folder.keys, INSTALLATION, self.key.verifier.name)
        assert following is not None
        sources = self.sources.look()
        self.sealer.checkpoint(sources, (following, self.clock.now()))
        take_up(self.folder.keys, INSTALLATION, following)
        self.key = following

    def remove(self) -> None:
        """Remove the oldest segment, as retention does, where it is sealed."""
        log = self.folder.journal / self.journal.log_id
        begins = [segment.first_index_of(name) for name in segment.names(log)]
        if len(begins) < 3 or begins[1] > sealed_size(self.folder.seal, self.journal.log_id):
            return
        after = self.journal.next_index
        self.journal.change_mark(lambda known: removal.beginning(known, begins[1], after))
        if self.disturb is not None:
            self.disturb()
        root = self.sealer.tree_of(self.journal.log_id).root(begins[1]).hex()
        record = RemovedRecord(first_index=begins[0], next_index=begins[1], root=root, cut=0, years=2, article="x")
        index = self.journal.append(record)
        self.journal.sync()
        self.count = self.journal.next_index
        self.journal.change_mark(lambda known: removal.done(known, begins[1], index))
        removal.remove_files(log, begins[1])

    def hold(self) -> str:
        """Place a legal hold, as the worker does: first the file, then its name in the mark, then the record."""
        name = f"hold-{os.urandom(4).hex()}"
        hold = Hold(hold_id=name, reason="a lawsuit", issuer="urn:test", employee="dpo.yoon", placed_at=self.clock.now())
        HoldFiles(self.folder.holds).put(hold)
        self.journal.change_mark(lambda known: msgspec.structs.replace(known, holds=(*known.holds, name)))
        return name

    def release(self, name: str) -> None:
        """Release a legal hold, as the worker does: first the record, then the mark, then the file."""
        self.journal.append(ReleaseRecord(issuer="urn:test", employee="dpo.yoon", hold_id=name, reason="settled"))
        self.journal.sync()
        self.journal.change_mark(without(name))
        HoldFiles(self.folder.holds).remove(name)

    def restart(self) -> None:
        self.journal.close()
        self.journal = self._journal()

    def policy(self) -> None:
        name = hashlib.sha256(os.urandom(8)).hexdigest()
        (self.folder.policies / f"{name}.bundle").write_bytes(os.urandom(100))
        (self.folder.policies / f"{name}.source").write_text("files")
        keep_last(self.folder.policies, name)

    def anything(self, rng: random.Random) -> None:
        for _ in range(rng.randrange(3)):
            what = rng.choice((self.append, self.grant, self.seal, self.pack, self.policy, self.restart, self.seal, self.append))
            what()
        if rng.random() < 0.3:
            self.append(15)
        if rng.random() < 0.1:
            self.rotate()
        if rng.random() < 0.1:
            self.hold()

    def close(self) -> None:
        self.journal.close()
        self.store.close()
        self.sources.close()
        self.sealer.close()


def made(root: Path) -> Installation:
    """An installation with a history: several segments, one of them packed, several checkpoints, grants, a policy."""
    installation = Installation(StateFolder(root / "var"))
    for step in range(4):
        installation.append(12)
        installation.grant()
        installation.seal()
        if step == 1:
            installation.pack()
    installation.policy()
    installation.append(3)  # not sealed yet
    (installation.folder.shipping / f"{installation.journal.log_id}.cursor").write_text('{"format":1,"next_index":0,"digest":""}')
    return installation


def backed_up(installation: Installation, root: Path, progress: Callable[[str, int], None] = lambda *_: None) -> Manifest:
    return back_up(
        installation.folder,
        root / "backup",
        root / "keys",
        now=installation.clock.now(),
        randomness=os.urandom(16),
        progress=progress,
    )


def put_back(
    root: Path,
    target: Path,
    *,
    archive: str = "backup",
    keys: str = "keys",
    reason: str = "the disk failed",
    kept: Path | None = None,
    progress: Callable[[str, int], None] = lambda *_: None,
) -> RestoredRecord:
    return restore(
        root / archive,
        root / keys,
        StateFolder(target),
        reason=reason,
        operator="munjigi",
        kept=kept,
        now=START + 10**15,
        randomness=lambda: os.urandom(16),
        progress=progress,
    )


def verified(state: Path, kept: Path | None = None) -> tuple[SealCheck, dict[str, Verification]]:
    folder = StateFolder(state)
    seal = seal_of(folder, checkpoint=kept)
    return seal, {each.log_id: each for each in verify_logs(folder, seal)}


def payloads(state: Path) -> dict[str, list[bytes]]:
    """All records of all logs."""
    with closing(LogSources(StateFolder(state))) as sources:
        return {source.log_id: [payload for _, payload in source.read(source.first(), 100_000)] for source in sources.look()}


def kept_checkpoint(installation: Installation, to: Path) -> Path:
    shutil.copy(installation.folder.seal / "checkpoint", to)
    return to
