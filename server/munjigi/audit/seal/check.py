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
from munjigi.audit.seal.entries import Continued, Head, parse
from munjigi.audit.seal.generations import binding, number_of, opened, under
from munjigi.audit.seal.merkle import HASH, Growing, leaf_hash
from munjigi.audit.seal.note import Checkpoint, Note, VerifierKey
from munjigi.audit.seal.reader import SealReader
from munjigi.audit.verify import Sealed, Verification, verify_journal
from munjigi.kernel.errors import Corruption, MunjigiError, NotFound

_PIECE: Final = 4096  # records


@dataclass(frozen=True, slots=True)
class SealCheck:
    """What the seal says. `problem` in UPPER_SNAKE, empty when it stands; `sealed` by log id.

    `continued` are the last checkpoints of the generations that restores ended, oldest first; `origin` names the one that goes
    on. `lost`: entries of the checkpoint that was kept which lie beyond the backup that was restored.
    """

    problem: str
    entries: int
    sealed: dict[str, Sealed]
    origin: str = ""
    continued: tuple[Checkpoint, ...] = ()
    lost: int = 0


class _Finding(Exception):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def check_seal(
    folder: Path, log_of: Callable[[str], LogSource], key: VerifierKey | None, earlier: Note | None = None
) -> SealCheck:
    """Check the seal itself; `key` is the installation's, and may be one from before a rotation.

    `log_of` finds a log, which is read where its tree is damaged; it may raise errors of our tree. `earlier` is a checkpoint
    that somebody kept: history since then must only have grown, but for what a restore states as lost. Raises `OSError`.
    """
    try:
        with opened(folder) as generations:
            lost = _examine(generations, key, earlier)
            *before, last = (each.checkpoint for each in generations)
            problem = "" if last.size else "NOT_SEALED"
            return SealCheck(problem, last.size, dict(_sealed(generations, log_of)), last.origin, tuple(before), lost)
    except NotFound:
        return SealCheck("NOT_SEALED", 0, {})
    except _Finding as found:
        return SealCheck(found.problem, 0, {})
    except Corruption as error:
        return SealCheck(error.reason, 0, {})


def verify_sealed(folder: Path, check: SealCheck, live_until: int | None = None, archive: Path | None = None) -> Verification:
    """Verify one log on its files, those in its folder of an archive too, and against the seal.

    Raises what `verify_journal` raises.
    """
    sealed = check.sealed.get(folder.name)
    if sealed is not None and live_until is not None and sealed.size > live_until:
        live_until = sealed.size  # what is sealed was synced
    return verify_journal(folder, live_until, sealed, archive)


def _examine(generations: list[SealReader], key: VerifierKey | None, earlier: Note | None) -> int:
    """Check signature, entries, and that each generation continues the one before; return what `earlier` has more than a backup.

    The last checkpoint is signed, and each before it is bound by the first entry of the generation after it.
    """
    keys = [key] if key is not None else []
    for number, seal in enumerate(generations, 1):
        origin = seal.checkpoint.origin
        keys = seal.trusted([under(each, origin) for each in keys])
        if keys and seal is generations[-1] and not any(each.signed(seal.note) for each in keys):
            raise _Finding("CHECKPOINT_NOT_SIGNED")
        if not seal.entries_agree():
            raise _Finding("ENTRIES_NOT_AS_SIGNED")
        first = parse(b"".join(seal.entries.read(0))) if seal.checkpoint.size else None
        before = generations[number - 2].note if number > 1 else None
        bound = first if isinstance(first, Continued) else None
        if number_of(origin) != number or bound != (binding(before) if before is not None else None):
            raise _Finding("GENERATION_NOT_CONTINUED")
    return _beyond(generations, keys, earlier) if earlier is not None else 0


def _beyond(generations: list[SealReader], keys: list[VerifierKey], kept: Note) -> int:
    """Check that history since a checkpoint only grew; return how many of its entries a restore did not bring back."""
    then = Checkpoint.parse(kept.text)
    if keys and not any(under(each, then.origin).signed(kept) for each in keys):
        raise _Finding("EARLIER_CHECKPOINT_NOT_SIGNED")
    seal = next((each for each in generations if each.checkpoint.origin == then.origin), None)
    if seal is not None and seal is not generations[-1] and then.size > seal.checkpoint.size:
        return then.size - seal.checkpoint.size
    if seal is None or then.size > seal.checkpoint.size or seal.entries_root(then.size) != then.root:
        raise _Finding("HISTORY_CHANGED")
    return 0


def _sealed(generations: list[SealReader], log_of: Callable[[str], LogSource]) -> Iterator[tuple[str, Sealed]]:
    heads: dict[str, list[Head]] = {}
    for seal in generations:
        for log_id, found in seal.entries.heads(seal.checkpoint.size).items():
            known = heads.setdefault(log_id, [])
            if any(later.size <= before.size for before, later in pairwise(found)) or (known and found[0].size < known[-1].size):
                raise _Finding("HEADS_NOT_GROWING")
            known += found
    for log_id, all_heads in heads.items():
        yield log_id, _leaves(generations[-1], all_heads, log_of)


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
            own += b"".join(tree.leaves(0, min(log.first(), tree.size, size)))  # of what retention removed
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
