"""Persistent collections: a change makes a new value in microseconds and never touches the old one.

Both copy one root of pointers and one small piece; everything else is shared between versions, so
that a reader keeps a consistent view for as long as it holds its reference (promise P2).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

_SHARDS: Final = 4096  # at 1,000,000 entries a shard holds about 250: root and shard copy in some 20 µs
SHARD_MASK: Final = _SHARDS - 1
_BLOCK: Final = 512


class _Ordered(Hashable, Protocol):
    """Something that can be sorted."""

    def __lt__(self, other: Any, /) -> bool: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
O = TypeVar("O", bound=_Ordered)  # noqa: E741 - the usual letter next to K and V


class ShardedMap(Generic[K, V]):
    """An immutable hash map. Not ordered. `shards[hash(key) & SHARD_MASK]` is the dict that has a key, if any has."""

    __slots__ = ("_size", "shards")

    def __init__(self, items: Iterable[tuple[K, V]] = ()) -> None:
        empty: dict[K, V] = {}
        shards: list[dict[K, V]] = [empty] * _SHARDS
        for key, value in items:
            place = hash(key) & SHARD_MASK
            if shards[place] is empty:
                shards[place] = {key: value}
            else:
                shards[place][key] = value
        self.shards = shards
        self._size = sum(map(len, shards))

    def __len__(self) -> int:
        return self._size

    def get(self, key: K) -> V | None:
        """Return the value of `key`, or None."""
        return self.shards[hash(key) & SHARD_MASK].get(key)

    def values(self) -> Iterator[V]:
        """Iterate over the values, in no particular order."""
        for shard in self.shards:
            yield from shard.values()

    def with_item(self, key: K, value: V) -> ShardedMap[K, V]:
        """Return a map in which `key` has `value`."""
        place = hash(key) & SHARD_MASK
        old = self.shards[place]
        return self._replaced(place, {**old, key: value})

    def without(self, key: K) -> ShardedMap[K, V]:
        """Return a map that lacks `key`; this one when it does already."""
        place = hash(key) & SHARD_MASK
        if key not in self.shards[place]:
            return self
        shard = dict(self.shards[place])
        del shard[key]
        return self._replaced(place, shard)

    def changed(self, items: Mapping[K, V | None]) -> ShardedMap[K, V]:
        """Return a map in which all these keys have these values, or lack them where the value is None; each shard is copied once."""
        if not items:
            return self
        made: ShardedMap[K, V] = ShardedMap.__new__(ShardedMap)
        made.shards = shards = self.shards.copy()
        copied: dict[int, dict[K, V]] = {}
        made._size = self._size
        for key, value in items.items():
            place = hash(key) & SHARD_MASK
            shard = copied.get(place)
            if shard is None:
                shard = copied[place] = shards[place] = dict(shards[place])
            made._size -= len(shard)
            if value is None:
                shard.pop(key, None)
            else:
                shard[key] = value
            made._size += len(shard)
        return made

    def _replaced(self, place: int, shard: dict[K, V]) -> ShardedMap[K, V]:
        made: ShardedMap[K, V] = ShardedMap.__new__(ShardedMap)
        made.shards = self.shards.copy()
        made._size = self._size - len(self.shards[place]) + len(shard)
        made.shards[place] = shard
        return made


class SortedKeys(Generic[O]):
    """An immutable sorted set in blocks."""

    __slots__ = ("_blocks", "_firsts")

    def __init__(self, keys: Iterable[O] = ()) -> None:
        self._fill(sorted(set(keys)))

    @classmethod
    def in_order(cls, keys: list[O]) -> SortedKeys[O]:
        """Make a set out of keys that ascend and differ."""
        made: SortedKeys[O] = SortedKeys.__new__(SortedKeys)
        made._fill(keys)
        return made

    def _fill(self, ordered: list[O]) -> None:
        half = _BLOCK // 2
        self._blocks: list[tuple[O, ...]] = [tuple(ordered[at : at + half]) for at in range(0, len(ordered), half)]
        self._firsts: list[O] = [block[0] for block in self._blocks]

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def since(self, start: O | None) -> Iterator[O]:
        """Iterate in order over the keys that are not less than `start`; over all when it is None."""
        if start is None:
            for block in self._blocks:
                yield from block
            return
        number = max(bisect_right(self._firsts, start) - 1, 0)
        for place, block in enumerate(self._blocks[number:]):
            yield from block[bisect_left(block, start) :] if place == 0 else block

    def with_key(self, key: O) -> SortedKeys[O]:
        """Return a set that has `key`; this one when it does already."""
        if not self._blocks:
            return SortedKeys((key,))
        number = max(bisect_right(self._firsts, key) - 1, 0)
        block = self._blocks[number]
        place = bisect_left(block, key)
        if place < len(block) and block[place] == key:
            return self
        grown = (*block[:place], key, *block[place:])
        if len(grown) <= _BLOCK:
            return self._replaced(number, grown)
        half = _BLOCK // 2
        return self._replaced(number, grown[:half], grown[half:])

    def with_keys(self, keys: Iterable[O]) -> SortedKeys[O]:
        """Return a set that has all these keys, too; each block that gets one is copied once."""
        fresh = sorted(set(keys))
        if not fresh or not self._blocks:
            return SortedKeys.in_order(fresh) if fresh else self
        into: dict[int, list[O]] = {}
        for key in fresh:
            into.setdefault(max(bisect_right(self._firsts, key) - 1, 0), []).append(key)
        made: SortedKeys[O] = SortedKeys.__new__(SortedKeys)
        made._blocks = self._blocks.copy()
        half = _BLOCK // 2
        for number, several in reversed(into.items()):  # from the last on: what is before keeps its place
            grown = list(made._blocks[number])
            for key in several:
                place = bisect_left(grown, key)
                if place == len(grown) or grown[place] != key:
                    grown.insert(place, key)
            size = half if len(grown) > _BLOCK else _BLOCK
            made._blocks[number : number + 1] = [tuple(grown[at : at + size]) for at in range(0, len(grown), size)]
        made._firsts = [block[0] for block in made._blocks]
        return made

    def without(self, key: O) -> SortedKeys[O]:
        """Return a set that lacks `key`; this one when it does already."""
        number = bisect_right(self._firsts, key) - 1
        if number < 0:
            return self
        block = self._blocks[number]
        place = bisect_left(block, key)
        if place == len(block) or block[place] != key:
            return self
        rest = block[:place] + block[place + 1 :]
        return self._replaced(number, rest) if rest else self._replaced(number)

    def _replaced(self, number: int, *blocks: tuple[O, ...]) -> SortedKeys[O]:
        made: SortedKeys[O] = SortedKeys.__new__(SortedKeys)
        made._blocks = [*self._blocks[:number], *blocks, *self._blocks[number + 1 :]]
        made._firsts = [*self._firsts[:number], *(block[0] for block in blocks), *self._firsts[number + 1 :]]
        return made
