"""Hold the logs against the seal: the checkpoint's signature, the entries under it, and each log's last head.

The leaves' hashes beside a log's tree tell which record is another; they are believed only when they add up to the
signed root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from munjigi.audit.ports import LogSource
from munjigi.audit.seal.entries import Head
from munjigi.audit.seal.merkle import HASH, Growing, leaf_hash
from munjigi.audit.seal.note import Checkpoint, Note, VerifierKey
from munjigi.audit.seal.reader import SealReader
from munjigi.audit.verify import Sealed, Verification, verify_journal
from munjigi.kernel.errors import Corruption, MunjigiError, NotFound

_PIECE: Final = 4096  # records


@dataclass(frozen=True, slots=True)
class SealCheck:
    """What the seal says. `problem` in UPPER_SNAKE, empty when it stands; `sealed` by log id."""

    problem: str
    entries: int
    sealed: dict[str, Sealed]


class _Finding(Exception):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def check_seal(
    folder: Path, log_of: Callable[[str], LogSource], key: VerifierKey | None, earlier: Note | None = None
) -> SealCheck:
    """Check the seal itself; `key` is the installation's, and may be one from before a rotation.

    `log_of` finds a log, which is read where its tree is damaged; it may raise errors of our tree. `earlier` is a checkpoint
    that somebody kept: history since then must only have grown. Raises `OSError`.
    """
    try:
        with SealReader(folder) as seal:
            _examine(seal, key, earlier)
            return SealCheck("" if seal.checkpoint.size else "NOT_SEALED", seal.checkpoint.size, dict(_sealed(seal, log_of)))
    except NotFound:
        return SealCheck("NOT_SEALED", 0, {})
    except _Finding as found:
        return SealCheck(found.problem, 0, {})
    except Corruption as error:
        return SealCheck(error.reason, 0, {})


def verify_sealed(folder: Path, check: SealCheck, live_until: int | None = None) -> Verification:
    """Verify one log on its files, and against the seal. Raises what `verify_journal` raises."""
    sealed = check.sealed.get(folder.name)
    if sealed is not None and live_until is not None and sealed.size > live_until:
        live_until = sealed.size  # what is sealed was synced
    return verify_journal(folder, live_until, sealed)


def _examine(seal: SealReader, key: VerifierKey | None, earlier: Note | None) -> None:
    keys = seal.trusted(key) if key is not None else []
    if keys and not any(each.signed(seal.note) for each in keys):
        raise _Finding("CHECKPOINT_NOT_SIGNED")
    if not seal.entries_agree():
        raise _Finding("ENTRIES_NOT_AS_SIGNED")
    if earlier is not None:
        then = Checkpoint.parse(earlier.text)
        if keys and not any(each.signed(earlier) for each in keys):
            raise _Finding("EARLIER_CHECKPOINT_NOT_SIGNED")
        if then.size > seal.checkpoint.size or seal.entries_root(then.size) != then.root:
            raise _Finding("HISTORY_CHANGED")


def _sealed(seal: SealReader, log_of: Callable[[str], LogSource]) -> Iterator[tuple[str, Sealed]]:
    for log_id, heads in seal.entries.heads(seal.checkpoint.size).items():
        if any(later.size <= earlier.size for earlier, later in pairwise(heads)):
            raise _Finding("HEADS_NOT_GROWING")
        yield log_id, _leaves(seal, heads, log_of)


def _leaves(seal: SealReader, heads: list[Head], log_of: Callable[[str], LogSource]) -> Sealed:
    """Return hashes that add up to every head: those of the tree, or the log's own where the tree is damaged.

    Where neither add up, those that do are followed by zeros: the first record after them is the first that can't be proved.
    """
    size = heads[-1].size
    with closing(seal.tree_of(heads[-1].log_id)) as tree:
        good = _agreeing(tree.leaves, min(tree.size, size), heads)
        if good == size:
            return Sealed(size, tree.mapped())
        stored = b"".join(tree.leaves(0, good))
    own = bytearray()
    with suppress(MunjigiError):  # where the log is damaged or gone its own verification says so
        log = log_of(heads[-1].log_id)
        while found := log.read(len(own) // HASH, min(_PIECE, size - len(own) // HASH)):
            own += b"".join(leaf_hash(payload) for _, payload in found)

    def leaves(begin: int, count: int) -> list[bytes]:
        return [bytes(own[at : at + HASH]) for at in range(begin * HASH, (begin + count) * HASH, HASH)]

    best = max(stored, bytes(own[: _agreeing(leaves, len(own) // HASH, heads) * HASH]), key=len)
    return Sealed(size, best.ljust(size * HASH, b"\0"))


def _agreeing(leaves: Callable[[int, int], list[bytes]], size: int, heads: list[Head]) -> int:
    """Return the size of the last head, from the first on, that `size` leaves' hashes add up to."""
    grown = Growing()
    good = 0
    for head in heads:
        if head.size > size:
            break
        while grown.size < head.size:
            grown.add(leaves(grown.size, min(_PIECE, head.size - grown.size)))
        if grown.root() != head.root:
            break
        good = head.size
    return good
