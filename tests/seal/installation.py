"""A small sealed installation to be tampered with: two logs, several checkpoints, a witness, an auditor's copy."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from audit.support import START, TickingClock, access, open_journal

from munjigi.audit import frames, mark, segment
from munjigi.audit.mark import Mark
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.seal.check import check_seal, verify_sealed
from munjigi.audit.seal.note import COSIGNATURE, Checkpoint, Note, SigningKey
from munjigi.audit.seal.store import SealStore
from munjigi.audit.seal.witness import Answer, Submission, add_checkpoint

KEY = SigningKey("munjigi/test", bytes(range(32)))
WITNESS = SigningKey("witness", bytes(range(1, 33)), COSIGNATURE)
RECORDS = 40  # a log


class MemorySeen:
    """The last checkpoints of a witness, in memory."""

    def __init__(self) -> None:
        self.last: dict[str, Checkpoint] = {}

    def get(self, origin: str) -> Checkpoint | None:
        return self.last.get(origin)

    def put(self, checkpoint: Checkpoint) -> None:
        self.last[checkpoint.origin] = checkpoint


@dataclass
class Installation:
    """A state folder, what an auditor kept of it, and a copy from before."""

    state: Path
    kept: Note
    early: Path
    seen: MemorySeen

    @property
    def journal(self) -> Path:
        return self.state / "journal"

    @property
    def seal(self) -> Path:
        return self.state / "seal"

    def logs(self) -> list[Path]:
        return [self.journal / name for name in list_logs(self.journal)]

    def findings(self, *, with_kept: bool = True) -> list[tuple[str, str, int]]:
        """Return (problem, log id, index) of all that verification finds."""
        check = check_seal(
            self.seal, lambda log_id: JournalReader(self.journal / log_id), KEY.verifier, self.kept if with_kept else None
        )
        found = [(check.problem, "", -1)] if check.problem else []
        found += [("LOG_MISSING", log_id, 0) for log_id in check.sealed if not (self.journal / log_id).is_dir()]
        for folder in self.logs():
            result = verify_sealed(folder, check)
            if not result.intact:
                found.append((result.problem, folder.name, result.index))
        return found

    def ask_witness(self) -> Answer:
        """Have the last checkpoint co-signed, as the sealer would."""
        with closing(SealStore(self.seal, KEY)) as store:
            assert store.note is not None
            last = self.seen.get(KEY.verifier.name)
            old = last.size if last is not None else 0
            size = Checkpoint.parse(store.note.text).size
            proof = store.consistency(old) if old <= size else []
            body = str(Submission(min(old, size), tuple(proof), store.note))
        return add_checkpoint(body, {KEY.verifier.name: [KEY.verifier]}, self.seen, WITNESS, lambda: START // 10**9)


def seal_all(state: Path, key: SigningKey = KEY) -> Note | None:
    """Seal everything that is in the journals."""
    with closing(SealStore(state / "seal", key)) as store:
        sources = [JournalReader(state / "journal" / name) for name in list_logs(state / "journal")]
        for source in sources:
            while store.grow(source, 7):
                pass
        note = store.checkpoint(list(sources))
        for source in sources:
            source.close()
    return note


def build(root: Path) -> Installation:
    """Fill two logs in steps and seal after each."""
    state = root / "state"
    state.mkdir(mode=0o700)
    (state / "journal").mkdir(mode=0o700)
    clocks = [TickingClock(), TickingClock()]
    for step in range(4):
        for slot in (0, 1):
            journal = open_journal(state, slot, clock=clocks[slot], segment_bytes=6000)
            for number in range(RECORDS // 4):
                journal.append(access(step * 100 + slot * 1000 + number))
            journal.sync()
            journal.close()
        note = seal_all(state)
        assert note is not None
        if step == 1:
            shutil.copytree(state, root / "early")
        if step == 2:
            kept = note
    made = Installation(state, kept, root / "early", MemorySeen())
    assert made.ask_witness().status == 200
    return made


def copy_of(made: Installation, to: Path) -> Installation:
    """Return a copy to be tampered with."""
    shutil.copytree(made.state, to)
    seen = MemorySeen()
    seen.last.update(made.seen.last)
    return Installation(to, made.kept, made.early, seen)


def payloads(folder: Path) -> list[bytes]:
    """Read all canonical records of a log."""
    with closing(JournalReader(folder)) as log:
        return [payload for _, payload in log.read(0, 10_000)]


def forge(folder: Path, content: Sequence[bytes]) -> None:
    """Write the log anew, with headers, chain and mark as if it had always been so: what a thief with our code can do."""
    header = segment.read_header(folder / segment.names(folder)[0])
    assert header is not None
    shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    chain = segment.GENESIS
    data = segment.pack_header(header._replace(first_index=0, previous_first=0, previous_size=0, chain=chain))
    for payload in content:
        data += frames.frame(frames.RECORD, payload)
        chain = hashlib.sha256(chain + hashlib.sha256(b"\x00" + payload).digest()).digest()
    name = segment.name_of(0)
    (folder / name).touch(mode=0o600)
    (folder / name).write_bytes(data)
    mark.write(folder, Mark(1, folder.name, header.slot, True, name, len(data), len(content), chain.hex()))
