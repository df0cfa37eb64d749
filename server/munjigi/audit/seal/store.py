"""What a sealer keeps: a tree a log, the installation's entries with their tree, and the last signed checkpoint.

    seal/checkpoint             the last checkpoint with its signatures
    seal/entries                what the installation's tree is over (`entries.py`)
    seal/tree/                  the installation's tree
    seal/logs/LOG_ID/           the tree of a log
    seal/earlier/               generations that a restore ended (`generations.py`)
    seal/rotations/N            the checkpoint that was signed by the old and the new key, when entry N changed keys

Trees can be made again from logs and entries, but for the leaves of records that retention removed; entries and checkpoint can't.
The first thing of a seal that becomes durable is a checkpoint over nothing: without one, there is nothing else, and whatever else
there is tells that it was removed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from munjigi.audit.files import make_folder, write_file
from munjigi.audit.ports import LogSource
from munjigi.audit.seal import entries as entries_
from munjigi.audit.seal import merkle
from munjigi.audit.seal.entries import Continued, Entries, Head, NewKey
from munjigi.audit.seal.merkle import leaf_hash
from munjigi.audit.seal.note import Checkpoint, Note, SigningKey
from munjigi.audit.seal.tree import StoredTree
from munjigi.kernel.errors import Corruption, InvalidArgument

CHECKPOINT: Final = "checkpoint"
ENTRIES: Final = "entries"
TREE: Final = "tree"
LOGS: Final = "logs"
ROTATIONS: Final = "rotations"
EARLIER: Final = "earlier"
_PIECE: Final = 4096  # entries


class SealStore:
    """The sealer's files. One thread at a time, one process. Every method may raise `OSError`."""

    def __init__(self, folder: Path, key: SigningKey) -> None:
        """Open the files, made where there are none, and hold them against the last checkpoint.

        Raises `Corruption` `SEAL_ROLLBACK` when the checkpoint is gone, or entries are fewer or others than it says.
        """
        self._folder = folder
        self.key = key
        self.origin = key.verifier.name
        for each in (folder, folder / LOGS, folder / ROTATIONS):
            make_folder(each)
        note = read_note(folder)
        self._entries = Entries(folder / ENTRIES)
        if note is None:
            self.keep(note := Note.parse(over_nothing(key)))
        elif not key.verifier.signed(note):
            raise rollback("its checkpoint is not signed with the key in keys/; restore the key that belongs to it")
        self.note: Note = note
        self._tree = StoredTree(folder / TREE)
        self._logs: dict[str, StoredTree] = {}
        self._epochs: dict[str, tuple[int, int]] = {}
        self._settle()
        self.heads = {log_id: heads[-1] for log_id, heads in self._entries.heads(self._entries.size).items()}

    @property
    def size(self) -> int:
        """Entries under the last checkpoint."""
        return self._entries.size

    def tree_of(self, log_id: str) -> StoredTree:
        """Return the tree of a log; empty for a new one."""
        found = self._logs.get(log_id)
        if found is None:
            found = self._logs[log_id] = StoredTree(self._folder / LOGS / log_id)
        return found

    def grow(self, source: LogSource, limit: int) -> int:
        """Add at most `limit` records of a log to its tree; return how many.

        Raises `Corruption` `SEAL_ROLLBACK` when the log has lost or changed its last sealed record.
        """
        log_id, epoch = source.log_id, source.epoch()
        tree = self.tree_of(log_id)
        if self._epochs.get(log_id) != epoch:
            self._look_again(source, tree)
            self._epochs[log_id] = epoch
        found = source.read(tree.size, limit)
        if not found or source.epoch() != epoch:
            return 0
        tree.append([leaf_hash(payload) for _, payload in found])
        return len(found)

    def checkpoint(self, sources: list[LogSource], new_key: tuple[SigningKey, int] | None = None) -> Note | None:
        """Seal what has grown: sync the logs, add their heads, sign; None when there is nothing new.

        `new_key`, at UTC nanoseconds, signs from now on; this checkpoint is signed by both.
        """
        heads = []
        for source in sources:
            tree = self.tree_of(source.log_id)
            sealed = self.heads.get(source.log_id)
            if tree.size and (sealed is None or tree.size > sealed.size):
                source.settle()
                heads.append(Head(source.log_id, tree.size, tree.root(tree.size)))
        added: list[entries_.Entry] = [*heads]
        if new_key is not None:
            added.append(NewKey(new_key[1], new_key[0].verifier.public))
        return self._sign(added, new_key) if added else None

    def begin(self, binding: Continued, sources: Sequence[LogSource]) -> Note | None:
        """Sign the first checkpoint of a generation: over what it continues, and over all that is in the logs.

        The logs' trees are those of the generation before, and were held against the logs.
        """
        heads = []
        for source in sources:
            tree = self.tree_of(source.log_id)
            self._epochs[source.log_id] = source.epoch()
            while self.grow(source, _PIECE):
                pass
            if tree.size:
                heads.append(Head(source.log_id, tree.size, tree.root(tree.size)))
        return self._sign([binding, *heads], None)

    def _sign(self, added: Sequence[entries_.Entry], new_key: tuple[SigningKey, int] | None) -> Note:
        """Add entries, and sign what there is then."""
        packed = [entries_.pack(each) for each in added]
        self._entries.append(packed)
        self._tree.append([leaf_hash(each) for each in packed])
        size = self._tree.size
        text = str(Checkpoint(self.origin, size, self._tree.root(size)))
        lines = self.key.sign(text)
        if new_key is not None:
            lines += new_key[0].sign(text)
            write_file(self._folder / ROTATIONS / str(size - 1), f"{text}\n{lines}".encode())
            self.key = new_key[0]
        note = Note.parse(f"{text}\n{lines}")
        self.keep(note)
        self.heads.update((each.log_id, each) for each in added if isinstance(each, Head))
        return note

    def keep(self, note: Note) -> None:
        """Put a checkpoint, or the same one with more signatures, in the place of the last."""
        write_file(self._folder / CHECKPOINT, str(note).encode())
        self.note = note

    def consistency(self, old: int) -> list[bytes]:
        """Prove that the installation's tree of `old` entries is a prefix of the one that was signed last."""
        return merkle.consistency(self._tree, old, self._tree.size) if 0 < old < self._tree.size else []

    def close(self) -> None:
        """Let go of the files."""
        self._entries.close()
        self._tree.close()
        for tree in self._logs.values():
            tree.close()
        self._logs.clear()

    def _settle(self) -> None:
        """Bring entries and tree to where the last checkpoint says they were."""
        known = Checkpoint.parse(self.note.text)
        size = known.size
        if self._entries.size < size:
            raise rollback(f"{self._entries.size} of {size} entries are left")
        refuse_older(self._entries, size)
        self._entries.truncate(size)  # what was added and never signed
        for number, _ in rotations(self._folder):
            if number >= size:
                (self._folder / ROTATIONS / str(number)).unlink()
        self._tree.truncate(min(size, self._tree.size))
        if self._tree.size != size or self._tree.root(size) != known.root:
            self._tree.truncate(0)
            for begin in range(0, size, _PIECE):
                self._tree.append([leaf_hash(each) for each in self._entries.read(begin, min(_PIECE, size - begin))])
            if self._tree.root(size) != known.root:
                raise rollback("its entries are not those that the checkpoint was signed over")

    def _look_again(self, source: LogSource, tree: StoredTree) -> None:
        """Forget leaves that are not sealed, which a crash may have taken back, and check that the sealed ones stand."""
        sealed = self.heads.get(source.log_id)
        size = sealed.size if sealed is not None else 0
        tree.truncate(min(size, tree.size))
        if sealed is None:
            return
        if tree.size != size or tree.root(size) != sealed.root:
            self._again(source, tree, sealed)
        if size <= source.first():
            return  # retention removes nothing but what is sealed, and held against the seal before
        last = source.read(size - 1, 1)
        if not last or leaf_hash(last[0][1]) != tree.leaf(size - 1):
            what = "is shorter than" if not last else "has another last record than"
            raise rollback(f"log {source.log_id} {what} its sealed {size} records")

    def _again(self, source: LogSource, tree: StoredTree, sealed: Head) -> None:
        """Make a log's tree anew, up to what is sealed; the leaves of removed records are all that is left of them, and stay."""
        first = min(source.first(), sealed.size)
        tree.truncate(min(first, tree.size))
        tree.remake()
        if tree.size < first:
            raise rollback(f"the hashes of records of log {sealed.log_id} that retention removed are gone from seal/{LOGS}")
        while tree.size < sealed.size:
            found = source.read(tree.size, min(_PIECE, sealed.size - tree.size))
            if not found:
                raise rollback(f"log {sealed.log_id} has {tree.size} of its sealed {sealed.size} records")
            tree.append([leaf_hash(payload) for _, payload in found])
        if tree.root(sealed.size) != sealed.root:
            raise rollback(f"log {sealed.log_id} differs from its sealed {sealed.size} records")


def over_nothing(key: SigningKey) -> str:
    """Return the checkpoint that a seal begins with."""
    text = str(Checkpoint(key.verifier.name, 0, merkle.EMPTY))
    return f"{text}\n{key.sign(text)}"


def rollback(what: str) -> Corruption:
    """Make the error for a log or seal that was taken back or changed."""
    return Corruption(
        "SEAL_ROLLBACK",
        f"The seal does not agree with what is on disk: {what}. Run `munjigi audit verify`, keep a copy of the state "
        "folder, and compare it with a backup and with the witness.",
    )


def refuse_older(entries: Entries, size: int) -> None:
    """Refuse a checkpoint over `size` entries where later ones than the next would add are there.

    A crash leaves what one checkpoint adds, which is a head of each log at most. Raises `Corruption`.
    """
    seen: set[str] = set()
    for each in map(entries_.parse, entries.read(size, max(entries.size - size, 0))):
        if isinstance(each, Head):
            if each.log_id in seen:
                raise rollback(f"its checkpoint covers {size} entries, and others were signed after them")
            seen.add(each.log_id)


def read_note(folder: Path) -> Note | None:
    """Read the last checkpoint; None when there is no seal yet.

    Raises `Corruption` when it is damaged, or missing where it was once, `OSError` when it can't be read.
    """
    try:
        note = Note.parse((folder / CHECKPOINT).read_bytes().decode())
        Checkpoint.parse(note.text)
        return note
    except FileNotFoundError:
        entries = folder / ENTRIES
        if (entries.exists() and entries.stat().st_size) or any((folder / LOGS).glob("*")):
            raise rollback(f"{folder / CHECKPOINT} is missing") from None
        return None
    except (InvalidArgument, UnicodeDecodeError):
        raise rollback(f"{folder / CHECKPOINT} is damaged") from None


def rotations(folder: Path) -> list[tuple[int, Note]]:
    """Return the checkpoints at which keys changed, as (entry, note), oldest first.

    Raises `InvalidArgument` when one is damaged, `OSError` when it can't be read.
    """
    try:
        names = sorted(int(name) for name in os.listdir(folder / ROTATIONS) if name.isdigit())  # noqa: PTH208
    except FileNotFoundError:
        return []
    return [(name, Note.parse((folder / ROTATIONS / str(name)).read_text("utf-8", "replace"))) for name in names]
