"""Cases live for days: somebody opens one, others of the team go on with it, somebody closes it, and some are forgotten."""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

_FIRST_MEMBER: Final = 1_000_001  # as the sample database numbers its members
_MOST_OPEN: Final = 240  # of a pool; the oldest is forgotten then
_REGULARS: Final = 1.6  # how much more often some members call than others


class Case(NamedTuple):
    """A piece of work about members."""

    case_id: str
    members: tuple[str, ...]


class Cases:
    """The open cases of those who share work. `form` makes an id of a year and a number below `numbers`."""

    def __init__(self, form: str, numbers: int, members: int, *, about: int = 1, opens: float, closes: float) -> None:
        self._form = form
        self._numbers = numbers
        self._members = members
        self._about = about
        self._opens = opens
        self._closes = closes
        self._open: list[Case] = []

    def pick(self, year: int, numbering: Numbering, random: Random) -> Case:
        """Return the case that somebody works on now: a new one, or one of those that are open; it may be closed by that."""
        chance = random.random()
        if not self._open or chance < self._opens:
            case = Case(self._form.format(year, numbering.next() % self._numbers), self._drawn(random))
            if len(self._open) >= _MOST_OPEN:
                del self._open[0]
            self._open.append(case)
            return case
        at = int(random.random() * len(self._open))
        case = self._open[at]
        if random.random() < self._closes:
            self._open[at] = self._open[-1]
            self._open.pop()
        return case

    def _drawn(self, random: Random) -> tuple[str, ...]:
        if self._about == 1:
            return (member(self._members, random),)
        return tuple({member(self._members, random): None for _ in range(1 + int(random.random() * self._about))})


class Numbering:
    """Gives numbers, one after the other."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """Return the next number."""
        self._last += 1
        return self._last


def member(members: int, random: Random) -> str:
    """Draw the serial of one of `members` members, some more often than others."""
    return str(_FIRST_MEMBER + int(members * random.random() ** _REGULARS))
