"""The board of a host: a file in memory of which each worker writes one part, without locks, and reads all.

A word of 8 bytes is written whole. Who reads another's part may see it a moment ago, and never half of a word; entries that have several
words are written with their mark last. A worker that is paused or dead holds up nobody, and whoever is started on its slot finds
what it had written. The file is as large from the start as it will ever be, so that a full disk takes nothing from it.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from hashlib import blake2b
from heapq import merge
from pathlib import Path
from typing import Final

from munjigi.kernel.errors import ConfigurationError
from munjigi.kernel.neighbours import Digest, Failed, Seen

_WORD: Final = 8  # bytes
_CELLS: Final = 2048  # of counters: mark, value
_EVENTS: Final = 4096  # the last failures: number, time, two words of the door
_SESSIONS: Final = 16_384  # mark, last, gap
_TRIES: Final = 8  # places that an entry may have
_EVENTS_AT: Final = 2 * _CELLS
_SESSIONS_AT: Final = _EVENTS_AT + 1 + 4 * _EVENTS
_PART: Final = _SESSIONS_AT + 3 * _SESSIONS  # words


class Board:
    """The board as the worker of one slot has it. Implements `rpc.neighbours` `Counters`, `Wire` and `Activity`. One thread uses it."""

    def __init__(self, path: Path, slot: int, workers: int) -> None:
        """Open or make the file. Raises `ConfigurationError` when there is no room for it."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = max(_PART * _WORD * workers, os.fstat(descriptor).st_size)
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(descriptor, 0, size)
                else:
                    os.ftruncate(descriptor, size)
                memory = mmap.mmap(descriptor, size)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ConfigurationError(
                "BOARD_UNUSABLE",
                f"{path} can't be made ({error.strerror}): make room on the disk of the state folder, or look at its owner.",
            ) from error
        self._words = memoryview(memory).cast("Q")
        self._own = slot * _PART
        self._others = tuple(each * _PART for each in range(workers) if each != slot)
        self._heard: dict[int, int] = {}

    def cell(self, name: str) -> _Cell:
        """Return the cell of a name. Where there is no room the names share one: what they may, they may together."""
        mark = _mark(name)
        place = self._place(self._own, mark)
        if place < 0:
            mark = next(each for each in self._marks(mark) if each)
            place = self._place(self._own, mark)
        return _Cell(self._words, mark, place, self._others)

    def _marks(self, mark: int) -> Iterator[int]:
        return (self._words[self._own + 2 * ((mark + each) % _CELLS)] for each in range(_TRIES))

    def known(self, name: str) -> bool:
        """Tell whether this slot has a cell of this name already."""
        mark, words = _mark(name), self._words
        return any(words[self._own + 2 * ((mark + each) % _CELLS)] == mark for each in range(_TRIES))

    def say(self, failed: Failed) -> None:
        """Write a failure in the place of the oldest one."""
        words, counter = self._words, self._own + _EVENTS_AT
        number = words[counter]
        at = counter + 1 + 4 * (number % _EVENTS)
        words[at] = 0
        words[at + 1] = failed.at
        words[at + 2], words[at + 3] = failed.door
        words[at] = number + 1
        words[counter] = number + 1

    def hear(self) -> Iterator[Failed]:
        """Return what the others have said since the last call; at the first call all that is remembered, by time, our own too."""
        first = not self._heard
        parts = (self._own, *self._others) if first else self._others
        return merge(*[list(self._said(part)) for part in parts])

    def seen(self, session: Digest) -> Seen:
        """Return when a session was last seen anywhere here, and its longest pause."""
        last = gap = 0
        words, mark = self._words, session[0] | 1
        for part in (self._own, *self._others):
            for each in range(_TRIES):
                at = part + _SESSIONS_AT + 3 * ((session[1] + each) % _SESSIONS)
                if words[at] == mark:
                    last, gap = max(last, words[at + 1]), max(gap, words[at + 2])
                    break
        return Seen(last, gap)

    def note(self, session: Digest, seen: Seen) -> None:
        """Write when a session was seen, in the place of the one that was not for longest where there is no room."""
        words, mark = self._words, session[0] | 1
        places = [self._own + _SESSIONS_AT + 3 * ((session[1] + each) % _SESSIONS) for each in range(_TRIES)]
        at = next((each for each in places if words[each] == mark), -1)
        if at < 0:
            at = min(places, key=lambda each: words[each + 1])
            words[at] = 0
        words[at + 2] = seen.gap
        words[at + 1] = seen.last
        words[at] = mark

    def _place(self, part: int, mark: int) -> int:
        """Return where the value of a mark stands in our part, a new place if need be; -1 without room."""
        words = self._words
        for each in range(_TRIES):
            at = part + 2 * ((mark + each) % _CELLS)
            if words[at] in (0, mark):
                words[at] = mark
                return at + 1
        return -1

    def _said(self, part: int) -> Iterator[Failed]:
        words, counter = self._words, part + _EVENTS_AT
        last = words[counter]
        number = max(self._heard.get(part, 0), last - _EVENTS)
        while number < last:
            at = counter + 1 + 4 * (number % _EVENTS)
            found = Failed(words[at + 1], (words[at + 2], words[at + 3]))
            if words[at] == number + 1:  # else it was written over meanwhile
                yield found
            number += 1
        self._heard[part] = number


class _Cell:
    """Implements `rpc.neighbours.Cell`."""

    __slots__ = ("_at", "_mark", "_missing", "_places", "_words")

    def __init__(self, words: memoryview[int], mark: int, at: int, others: tuple[int, ...]) -> None:
        self._words = words
        self._mark = mark
        self._at = at
        self._places: tuple[int, ...] = ()
        self._missing = others

    def add(self, count: int) -> None:
        self._words[self._at] += count

    def others(self) -> int:
        if self._missing:
            self._look()
        words, total = self._words, 0
        for at in self._places:
            total += words[at]
        return total

    def _look(self) -> None:
        """Find the cells of those who have begun to count meanwhile."""
        words, mark = self._words, self._mark
        for part in self._missing:
            for each in range(_TRIES):
                at = part + 2 * ((mark + each) % _CELLS)
                if words[at] == mark:
                    self._places += (at + 1,)
                    self._missing = tuple(other for other in self._missing if other != part)
                if words[at] in (0, mark):
                    break


def _mark(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=_WORD).digest(), "big") | 1
