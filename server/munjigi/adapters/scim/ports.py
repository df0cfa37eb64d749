"""What SCIM needs from outside its room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from munjigi.grants.book import Book, Holdings, Plan


class Registry(Protocol):
    """The table of people, and the one way to change it."""

    async def newest(self) -> Holdings:
        """Return the table as the store has it now, whoever changed it. Raises `Unavailable`."""
        ...

    async def change(self, plan: Callable[[Book], Plan], *, urgent: bool) -> bytes:
        """Plan on what the store has now, and commit; return the plan's answer when it is true everywhere.

        `urgent`: it may take access away, and works on a full disk. Raises what the plan raises, and `Unavailable`.
        """
        ...


class Doorkeeper(Protocol):
    """Hears of credentials that are not good, and of every request's end."""

    async def refused(self, address: str, reason: str) -> None:
        """Record a refused credential, durably, before it is answered."""
        ...

    def answered(self, reason: str, seconds: float) -> None:
        """Count a request; `reason` is OK or the error's."""
        ...
