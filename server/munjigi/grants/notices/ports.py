"""What notices need from the outside: a look at what is coming, and somebody who carries them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Protocol

from munjigi.grants.notices.notice import Notice
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey

Channel = Literal["webhook", "mail"]


class Outlook(Protocol):
    """The state, as far as time can make something of it. Periods are (after, until], in UTC nanoseconds.

    Every method raises `Unavailable` when the store can't be reached.
    """

    def ending(self, after: int, until: int) -> Iterable[Grant]:
        """Return the grants that end within a period and were not ended before."""
        ...

    def lapsing(self, after: int, until: int) -> Iterable[Person]:
        """Return the people with a fact that ends within a period."""
        ...

    def undecided(self) -> Iterable[AccessRequest]:
        """Return the requests that nobody has closed."""
        ...

    def said(self, notice_id: str) -> bool:
        """Tell whether this notice was made already."""
        ...


class Letter(NamedTuple):
    """One copy of a notice on its way: to a recipient by mail; by webhook there is one, for whoever it concerns."""

    letter_id: str
    notice: Notice
    recipient: EmployeeKey | None


class Outcome(NamedTuple):
    """What became of sending one letter.

    `later`: this one was not taken, another may be. `never`: it won't be, whatever we do. `away`: the other side takes nothing at
    present; it wants to be left alone for `pause` seconds, if it said so.
    """

    result: Literal["sent", "later", "never", "away"]
    reason: str = ""
    pause: float = 0.0


class Errand(Protocol):
    """One run of letters, for whoever carries them. Both methods may be called in any thread."""

    def stands(self) -> bool:
        """Tell whether it is still ours to send: looked at last before a letter leaves."""
        ...

    def settle(self, letter: Letter, outcome: Outcome) -> None:
        """Note durably what became of a letter, before the next one leaves by the same connection. Blocks."""
        ...


class Carrier(Protocol):
    """One way out of the house."""

    channel: Channel

    async def carry(self, letters: Sequence[Letter], errand: Errand) -> None:
        """Send letters, in order, within a bounded time, as long as the errand stands, and settle each that was tried."""
        ...

    async def close(self) -> None:
        """Let go of connections; what is being sent is broken off. A second call does nothing."""
        ...
