"""Read a seal without its key, while its sealer goes on: for verification and for evidence packs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Self

from munjigi.audit.seal import entries as entries_
from munjigi.audit.seal.entries import Entries, Head, NewKey
from munjigi.audit.seal.merkle import Growing, leaf_hash
from munjigi.audit.seal.note import SIGNATURE, Checkpoint, Note, VerifierKey
from munjigi.audit.seal.store import ENTRIES, LOGS, TREE, read_note, refuse_older, rollback, rotations
from munjigi.audit.seal.tree import StoredTree
from munjigi.kernel.errors import Corruption, InvalidArgument, NotFound

_PIECE: Final = 4096  # entries


def sealed_size(folder: Path, log_id: str) -> int:
    """Return how many records of a log are under the last checkpoint; 0 where nothing is sealed yet.

    Raises `Corruption` when the seal was damaged or taken back, `OSError`.
    """
    try:
        with SealReader(folder) as seal:
            if seal.entries.size < seal.checkpoint.size:
                raise rollback(f"{seal.entries.size} of {seal.checkpoint.size} entries are left")
            found = seal.head_of(log_id)
            return found[1].size if found is not None else 0
    except NotFound:
        return 0


def leaf_of(folder: Path, log_id: str, index: int) -> bytes:
    """Return the hash that the seal keeps of a record; empty where it has none. Raises `OSError`."""
    with closing(StoredTree(folder / LOGS / log_id, read_only=True)) as tree:
        return tree.leaf(index) if index < tree.size else b""


def sealed_logs(folder: Path) -> set[str]:
    """Return the ids of the logs that have a tree. Raises `OSError`."""
    trees = folder / LOGS
    return {path.name for path in trees.iterdir()} if trees.is_dir() else set()


class SealReader:
    """The seal as of its last checkpoint when it was opened."""

    def __init__(self, folder: Path, logs: Path | None = None) -> None:
        """Open what is there. `logs` holds the trees of the logs where they are not beside it.

        Raises `NotFound` when nothing was ever sealed, `Corruption` for a damaged checkpoint, `OSError`.
        """
        self.folder = folder
        self._logs = logs or folder / LOGS
        note = read_note(folder)
        if note is None:
            raise NotFound("NOT_SEALED", "Nothing is sealed yet; start munjigi and wait a second.")
        try:
            self.entries = Entries(folder / ENTRIES, read_only=True)
        except FileNotFoundError:
            raise rollback("its entries are missing") from None
        try:
            refuse_older(self.entries, Checkpoint.parse(note.text).size)
        except Corruption:
            later = read_note(folder)  # the sealer may have gone on between the two looks
            if later is None or later == note:
                self.entries.close()
                raise
            note = later
        self.note: Note = note
        self.checkpoint = Checkpoint.parse(note.text)
        self.tree = StoredTree(folder / TREE, read_only=True)

    def tree_of(self, log_id: str) -> StoredTree:
        """Open the tree of a log; to be closed. Raises `OSError`."""
        return StoredTree(self._logs / log_id, read_only=True)

    def head_of(self, log_id: str) -> tuple[int, Head] | None:
        """Return the last head of a log under the checkpoint, with its entry's number."""
        end = self.checkpoint.size
        while end:
            begin = max(0, end - _PIECE)
            pieces = self.entries.read(begin, end - begin)
            for number in range(len(pieces) - 1, -1, -1):
                entry = entries_.parse(pieces[number])
                if isinstance(entry, Head) and entry.log_id == log_id:
                    return begin + number, entry
            end = begin
        return None

    def trusted(self, known: Sequence[VerifierKey]) -> list[VerifierKey]:
        """Return the keys that are `known` and those that followed the last, each vouched for by the one before.

        Raises `Corruption` when the chain is broken.
        """
        keys = [*known]
        try:
            for number, note in rotations(self.folder):
                if number >= self.checkpoint.size:
                    break  # a crash came before the checkpoint over it
                entry = entries_.parse(b"".join(self.entries.read(number)))
                at = Checkpoint.parse(note.text)
                if not isinstance(entry, NewKey) or at.size != number + 1 or at.root != self.tree.root(at.size):
                    raise _broken
                following = VerifierKey(self.checkpoint.origin, SIGNATURE, entry.public)
                if keys and following not in keys and keys[-1].signed(note) and following.signed(note):
                    keys.append(following)
        except (InvalidArgument, IndexError):
            raise _broken from None
        return keys

    def entries_agree(self) -> bool:
        """Tell whether the entries are those that the checkpoint was signed over."""
        size = self.checkpoint.size
        return self.entries.size >= size and self.entries_root(size) == self.checkpoint.root

    def entries_root(self, size: int) -> bytes:
        """Return the root over the first `size` entries themselves, not over what the tree keeps of them."""
        grown = Growing()
        for begin in range(0, size, _PIECE):
            grown.add([leaf_hash(each) for each in self.entries.read(begin, min(_PIECE, size - begin))])
        return grown.root()

    def close(self) -> None:
        """Let go of the files."""
        self.entries.close()
        self.tree.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_broken: Final = Corruption("KEY_CHAIN_BROKEN", "A change of the seal's key is not vouched for; compare seal/ with a backup.")
