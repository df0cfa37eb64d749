"""How many members there were: the least `MOST` hashes of their references, from which the number is exact below `MOST`.

Above it is an estimate, (MOST - 1) / the greatest of these hashes as a part of all that there are, with a standard error of
1 / sqrt(MOST - 2): 8.9 %. The same members give the same bytes in whatever order, and however often, they come. A hash has 40 bits:
that two of 128 members share one has a chance of 1 in 130 million.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

MOST: Final = 128
SIZE: Final = 5  # bytes of a hash


def hash_of(reference: str) -> bytes:
    """Return the hash of a member reference."""
    return hashlib.blake2b(reference.encode(), digest_size=SIZE).digest()


def merged(sketch: bytes, hashes: Iterable[bytes]) -> bytes:
    """Return the sketch with some more hashes in it."""
    known = {sketch[at : at + SIZE] for at in range(0, len(sketch), SIZE)}
    before = len(known)
    known.update(hashes)
    if len(known) == before:
        return sketch
    return b"".join(sorted(known)[:MOST])


def count(sketch: bytes) -> int:
    """Return how many members there were."""
    kept = len(sketch) // SIZE
    if kept < MOST:
        return kept
    greatest = int.from_bytes(sketch[-SIZE:]) + 1
    return ((MOST - 1) << (8 * SIZE)) // greatest
