"""What the workers of one host tell each other: failures at doors, and when sessions were seen."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

Digest = tuple[int, int]  # 128 bits that stand for a name


class Failed(NamedTuple):
    """A failure at some door, at `at` (UTC nanoseconds)."""

    at: int
    door: Digest


class Seen(NamedTuple):
    """When a session was last used (UTC nanoseconds, 0: never here), and the longest time without a call before that (nanoseconds)."""

    last: int
    gap: int


def digest_of(*parts: str) -> Digest:
    """Return what stands for a name of some parts."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    found = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(found[:8], "big"), int.from_bytes(found[8:], "big")
