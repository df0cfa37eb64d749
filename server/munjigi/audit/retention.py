"""Which segments at the beginning of a log may go: whole, closed, packed, older than the cut, sealed, not held, archived.

Nothing is taken on trust that decides over the only copy: that every record is old enough is read off the last one, which is
held against the signed seal (times never decrease within a log), and what is to stay behind, the leaves' hashes, is made durable
and must continue the chain from header to header and add up to the sealed root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import msgspec

from munjigi.audit import mark, packed, segment
from munjigi.audit.records import decode
from munjigi.audit.seal import merkle
from munjigi.audit.seal.entries import Head
from munjigi.audit.seal.generations import under
from munjigi.audit.seal.note import VerifierKey
from munjigi.audit.seal.reader import SealReader
from munjigi.audit.seal.tree import StoredTree
from munjigi.kernel.errors import Corruption, NotFound

_PIECE: Final = 1024  # leaves


class Rules(NamedTuple):
    """What decides: records before `cut` (UTC nanoseconds) are old enough.

    `held` tells whether a legal hold covers any of the time from its first argument to its second, both included; `archived`
    whether a segment's file is in the archive, as it is here. `breathe` is called again and again during long work.
    """

    cut: int
    held: Callable[[int, int], bool]
    archived: Callable[[Path], bool]
    breathe: Callable[[], None]


class Plan(NamedTuple):
    """Records [first_index, next_index) can go; `root` is the log's tree over everything before `next_index`."""

    first_index: int
    next_index: int
    root: bytes


def plan(folder: Path, seal: Path, key: VerifierKey | None, rules: Rules) -> Plan | None:
    """Return what can go now; None when nothing can.

    Raises `Corruption` when the log, the seal and the leaves' hashes do not agree: then nothing may be removed. Raises `OSError`.
    """
    try:
        with SealReader(seal) as reader:
            known = [under(key, reader.checkpoint.origin)] if key is not None else []
            if known and not any(each.signed(reader.note) for each in reader.trusted(known)):
                _refuse(folder, "the seal's checkpoint is not signed with its key")
            found = reader.head_of(folder.name)
            if found is None:
                return None
            with closing(reader.tree_of(folder.name)) as tree:
                return _plan(folder, found[1], tree, rules)
    except NotFound:
        return None
    except (IndexError, msgspec.MsgspecError, UnicodeDecodeError):
        _refuse(folder, "a record, or its hash in the seal, can't be read")


def _plan(folder: Path, sealed: Head, tree: StoredTree, rules: Rules) -> Plan | None:
    known = mark.read(folder)
    if known is None:
        _refuse(folder, "its mark can't be read")
    names = [each for each in segment.names(folder) if segment.first_index_of(each) >= known.first]
    at = known.first
    for name, following in pairwise(names):
        end = segment.first_index_of(following)
        if following > known.segment or end > min(sealed.size, tree.size):
            break
        if (folder / name).exists() or not _may_go(folder / (name + packed.SUFFIX), end, rules, tree, sealed):
            break
        _leaves_continue(folder, name, following, tree, rules.breathe)
        at = end
    if at == known.first:
        return None
    root = tree.root(at)
    if not merkle.consistent(at, sealed.size, merkle.consistency(tree, at, sealed.size), root, sealed.root):
        _refuse(folder, "the hashes of its records in the seal are not those that were sealed")
    tree.sync()
    return Plan(known.first, at, root)


def _may_go(path: Path, end: int, rules: Rules, tree: StoredTree, sealed: Head) -> bool:
    """Judge one packed segment, which holds the records before `end`."""
    with closing(packed.PackedBytes.open(path)) as source:
        first = decode(next(_payloads(source, segment.HEADER_SIZE), b""))
        payload = b""
        for payload in _payloads(source, max(source.near(end - 1)[1], segment.HEADER_SIZE)):  # noqa: B007 -- the last one counts
            pass
        last = decode(payload)
    if last.time >= rules.cut or rules.held(first.time, last.time) or not rules.archived(path):
        return False
    proof = merkle.inclusion(tree, end - 1, sealed.size)
    if last.index != end - 1 or not merkle.included(merkle.leaf_hash(payload), end - 1, sealed.size, proof, sealed.root):
        _refuse(path, "its last record is not the one that was sealed")
    return True


def _payloads(source: packed.PackedBytes, offset: int) -> Iterator[bytes]:
    for _, part in segment.scan(source, offset, source.size):
        for each in part.frames:
            yield each.payload


def _leaves_continue(folder: Path, name: str, following: str, tree: StoredTree, breathe: Callable[[], None]) -> None:
    """Make sure that the hashes which stay behind lead from this segment's header to the next one's."""
    header, after = segment.read_header(folder / name), segment.read_header(folder / following)
    if header is None or after is None:
        _refuse(folder / name, "a header is not what was written")
    chain, sha256 = header.chain, hashlib.sha256
    for begin in range(header.first_index, after.first_index, _PIECE):
        for leaf in tree.leaves(begin, min(_PIECE, after.first_index - begin)):
            chain = sha256(chain + leaf).digest()
        breathe()
    if chain != after.chain:
        _refuse(folder / name, "the hashes of its records in the seal are not those of its records")


def _refuse(path: Path, problem: str) -> NoReturn:
    raise Corruption(
        "REMOVAL_REFUSED",
        f"{path}: {problem}. Nothing is removed; run `munjigi audit verify`, and keep the state folder as it is.",
    )
