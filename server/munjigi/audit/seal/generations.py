"""Generations of a seal: a restore ends one and begins the next, so that what was lost and what follows never bear one name.

    seal/earlier/N/      checkpoint, entries, tree and rotations of the N-th generation, as a restore found them
    seal/                the last generation; the trees of the logs are its, and of those before it

A generation's first entry binds the last checkpoint of the one before. It is signed with the same keys, under another
name: `munjigi/0123…` is followed by `munjigi/0123…/2-abcdefgh`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from munjigi.audit.files import FOLDER_MODE, sync_folder, write_file
from munjigi.audit.seal.entries import Continued, Entries
from munjigi.audit.seal.merkle import leaf_hash
from munjigi.audit.seal.note import Checkpoint, Note, SigningKey, VerifierKey
from munjigi.audit.seal.reader import SealReader
from munjigi.audit.seal.store import CHECKPOINT, EARLIER, ENTRIES, LOGS, ROTATIONS, TREE, over_nothing, read_note, rollback
from munjigi.audit.seal.tree import StoredTree
from munjigi.kernel.ids import new_log_id

_SUFFIX: Final = re.compile(r"/([1-9][0-9]{0,3})-[0-9a-z]{8}\Z")
_PIECE: Final = 4096  # entries


def installation_of(origin: str) -> str:
    """Return the name that all generations of an installation begin with."""
    return _SUFFIX.sub("", origin)


def number_of(origin: str) -> int:
    """Return which generation an origin names, counted from 1."""
    found = _SUFFIX.search(origin)
    return int(found[1]) if found else 1


def next_origin(origin: str, randomness: bytes) -> str:
    """Name the generation after `origin`. Random, since one backup may be restored twice."""
    return f"{installation_of(origin)}/{number_of(origin) + 1}-{new_log_id(randomness)[:8]}"


def under(key: VerifierKey, origin: str) -> VerifierKey:
    """Return the key under the name that it has in another generation; as it is when that is another installation's."""
    same = installation_of(key.name) == installation_of(origin)
    return key._replace(name=origin) if same else key


def binding(note: Note) -> Continued:
    """Return the entry that binds the last checkpoint of a generation."""
    return Continued(Checkpoint.parse(note.text).size, sha256(note.text.encode()).digest())


def earlier(folder: Path) -> list[Path]:
    """Return the folders of the generations that were ended, oldest first. Raises `OSError`."""
    try:
        names = sorted(int(path.name) for path in (folder / EARLIER).iterdir() if path.name.isdigit())
    except FileNotFoundError:
        return []
    return [folder / EARLIER / str(name) for name in names]


@contextmanager
def opened(folder: Path) -> Iterator[list[SealReader]]:
    """Open every generation, oldest first.

    Raises `NotFound` when nothing was ever sealed, `Corruption` for a damaged checkpoint, `OSError`.
    """
    with ExitStack() as stack:
        logs = folder / LOGS
        yield [stack.enter_context(SealReader(each, logs)) for each in (*earlier(folder), folder)]


def proving(generations: Sequence[SealReader], places: Sequence[tuple[str, int]]) -> int:
    """Return which generation proves the records at (log id, index): the first that had sealed them all, else the last one."""
    for number, seal in enumerate(generations[:-1]):
        sizes = {log_id: found[1].size for log_id, _ in places if (found := seal.head_of(log_id)) is not None}
        if all(index < sizes.get(log_id, 0) for log_id, index in places):
            return number
    return len(generations) - 1


def begin(folder: Path, key: SigningKey) -> Note:
    """Put the last generation with those before it, sign a checkpoint over nothing in its place, and return its last checkpoint.

    For a folder that nobody seals in. `key` is named after the generation that begins. Raises `Corruption` when nothing is sealed
    there, `OSError`.
    """
    note = read_note(folder)
    if note is None:
        raise rollback("there is no checkpoint")
    target = folder / EARLIER / str(number_of(Checkpoint.parse(note.text).origin))
    target.parent.mkdir(FOLDER_MODE, exist_ok=True)
    target.mkdir(FOLDER_MODE)
    for name in (ENTRIES, ROTATIONS, TREE, CHECKPOINT):
        if (folder / name).exists():
            (folder / name).rename(target / name)
    sync_folder(target)
    write_file(folder / CHECKPOINT, over_nothing(key).encode())
    Entries(folder / ENTRIES).close()
    return note


def make_trees(folder: Path) -> None:
    """Make what a backup leaves out: the trees over the entries, and the upper levels of those over the logs.

    For a folder that nobody seals in. Raises what `SealReader` raises.
    """
    with opened(folder) as generations:
        for seal in generations:
            tree = StoredTree(seal.folder / TREE)
            tree.truncate(0)
            for begin in range(0, seal.checkpoint.size, _PIECE):
                pieces = seal.entries.read(begin, min(_PIECE, seal.checkpoint.size - begin))
                tree.append([leaf_hash(each) for each in pieces])
            tree.close()
    for log in (folder / LOGS).iterdir() if (folder / LOGS).is_dir() else ():
        StoredTree(log).close()
