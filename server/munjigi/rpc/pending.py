"""Reads that were allowed and may still be confirmed: the last minutes of one journal, in flat arrays.

An entry is found by its record's index. Chunks of 4,096 indexes hold it in 28 bytes; a chunk that has run
out is dropped whole, and one in which nothing was allowed never exists.
"""

from __future__ import annotations

from array import array
from typing import Final, NamedTuple

from munjigi.kernel.clock import SECOND
from munjigi.kernel.identity import EmployeeKey

VALIDITY: Final = 60 * SECOND
_BITS: Final = 12
_SIZE: Final = 1 << _BITS
_MASK: Final = _SIZE - 1


Read = tuple[int, int]  # numbers of a caller and a resource


class PendingRead(NamedTuple):
    """One allowed read. `confirmed_at` is the index of its confirmation, or None."""

    issuer: str
    subject: str
    tool: str
    resource: str
    purpose: str
    valid_until: int
    confirmed_at: int | None


class _Chunk:
    __slots__ = ("confirmed", "key", "latest", "valid_until", "what", "who")

    def __init__(self, key: int) -> None:
        self.key = key
        self.latest = 0
        self.valid_until = array("Q", bytes(8 * _SIZE))
        self.confirmed = array("Q", bytes(8 * _SIZE))  # index + 1; 0 is unconfirmed
        self.who = array("L", bytes(array("L").itemsize * _SIZE))
        self.what = array("L", bytes(array("L").itemsize * _SIZE))


class PendingReads:
    """Remember allowed reads until a minute after they ran out."""

    def __init__(self) -> None:
        self._chunks: dict[int, _Chunk] = {}
        self._numbers: dict[tuple[str, ...], int] = {}
        self._values: list[tuple[str, ...]] = []

    def read_of(self, employee: EmployeeKey, tool: str, resource: str, purpose: str) -> Read:
        """Return what stands for an employee's reads of one resource for one purpose through one tool."""
        return self._number((*employee, tool)), self._number((resource, purpose))

    def add(self, index: int, valid_until: int, read: Read) -> None:
        """Note that the decision at `index` allowed a read until `valid_until` (UTC nanoseconds)."""
        chunk = self._chunks.get(index >> _BITS)
        if chunk is None:
            chunk = self._open(index >> _BITS, valid_until)
        at = index & _MASK
        chunk.latest = chunk.valid_until[at] = valid_until
        chunk.who[at], chunk.what[at] = read

    def get(self, index: int) -> PendingRead | None:
        """Return the allowed read at `index`, or None when it was none or is long gone."""
        chunk = self._chunks.get(index >> _BITS)
        at = index & _MASK
        if chunk is None or not chunk.valid_until[at]:
            return None
        issuer, subject, tool = self._values[chunk.who[at]]
        resource, purpose = self._values[chunk.what[at]]
        return PendingRead(
            issuer,
            subject,
            tool,
            resource,
            purpose,
            chunk.valid_until[at],
            chunk.confirmed[at] - 1 if chunk.confirmed[at] else None,
        )

    def confirm(self, index: int, confirmation: int) -> None:
        """Note the index of the first confirmation of the decision at `index`, which `get` has returned."""
        self._chunks[index >> _BITS].confirmed[index & _MASK] = confirmation + 1

    def _open(self, key: int, valid_until: int) -> _Chunk:
        gone = [old.key for old in self._chunks.values() if old.latest < valid_until - 2 * VALIDITY]
        for old in gone:
            del self._chunks[old]
        chunk = self._chunks[key] = _Chunk(key)
        return chunk

    def _number(self, value: tuple[str, ...]) -> int:
        """Return a small number for a recurring tuple of names, of which there are as many as people, tools, tables and purposes."""
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self._values)
            self._values.append(value)
        return number
