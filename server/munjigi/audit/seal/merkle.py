"""The Merkle tree of RFC 6962, section 2.1: hashes, proofs, and their verification. Pure functions.

A leaf is a record's canonical bytes. Sizes and indexes count leaves; a hash is 32 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Protocol

EMPTY: Final = sha256(b"").digest()  # the root of no leaves
HASH: Final = 32  # bytes


class Nodes(Protocol):
    """The hashes of complete subtrees."""

    def complete(self, level: int, index: int) -> bytes:
        """Return the hash of the `index`-th subtree of 2**level leaves, all of which are there."""
        ...


def leaf_hash(content: bytes) -> bytes:
    """Hash one leaf."""
    return sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into one."""
    return sha256(b"\x01" + left + right).digest()


def halve(hashes: Sequence[bytes]) -> list[bytes]:
    """Hash neighbours of one level into the level above. The number of hashes is even."""
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=True)]


def root(nodes: Nodes, size: int) -> bytes:
    """Return the root of the first `size` leaves."""
    return _subtree(nodes, 0, size) if size else EMPTY


def inclusion(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """Return the proof that leaf `index` is among the first `size` leaves (PATH of the RFC), 0 <= index < size."""
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_subtree(nodes, middle, end))
            end = middle
        else:
            path.append(_subtree(nodes, begin, middle))
            begin = middle
    return path[::-1]


def consistency(nodes: Nodes, old: int, size: int) -> list[bytes]:
    """Return the proof that the first `old` of `size` leaves are what they were (PROOF of the RFC), 0 < old <= size."""
    path: list[bytes] = []
    begin, end, whole = 0, size, True
    while old - begin != end - begin:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_subtree(nodes, middle, end))
            end = middle
        else:
            path.append(_subtree(nodes, begin, middle))
            begin, whole = middle, False
    if not whole:
        path.append(_subtree(nodes, begin, end))
    return path[::-1]


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Verify an inclusion proof (RFC 9162, section 2.1.3.2). `leaf` is the leaf's hash."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for each in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(each, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, each)
        at, last = at >> 1, last >> 1
    return last == 0 and found == expected


def consistent(old: int, size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Verify a consistency proof (RFC 9162, section 2.1.4.2). The empty tree is a prefix of every one."""
    if not 0 <= old <= size:
        return False
    if old in {0, size}:
        return not proof and (old_root == new_root if old else old_root == EMPTY)
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, each)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


class Growing:
    """A tree that is grown leaf by leaf and remembers the roots of its complete subtrees only."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []  # of the one bits of `size`, largest first

    def add(self, leaves: Sequence[bytes]) -> None:
        """Add leaves' hashes."""
        peaks, size = self._peaks, self.size
        for each in leaves:
            found, bits = each, size
            while bits & 1:
                found = sha256(b"\x01" + peaks.pop() + found).digest()
                bits >>= 1
            peaks.append(found)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """Return the root of what is there."""
        if not self._peaks:
            return EMPTY
        found = self._peaks[-1]
        for each in self._peaks[-2::-1]:
            found = node_hash(each, found)
        return found


def _split(count: int) -> int:
    """Return the largest power of two below `count`, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _subtree(nodes: Nodes, begin: int, end: int) -> bytes:
    """Hash the leaves [begin, end), where `begin` is a multiple of the next power of two from their number up."""
    parts = []
    while end > begin:
        level = (end - begin).bit_length() - 1
        parts.append(nodes.complete(level, begin >> level))
        begin += 1 << level
    found = parts.pop()
    while parts:
        found = node_hash(parts.pop(), found)
    return found
