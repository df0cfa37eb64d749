"""Who plays what happens: the live gateway over its client, or its rooms on a simulated clock."""

from __future__ import annotations

from typing import Protocol

from munjigi.company.events import Event


class Player(Protocol):
    """Plays events, one after the other, in order."""

    async def play(self, event: Event) -> None:
        """Play one event. Raises what ends the demonstration; what the gateway refuses is counted."""
        ...

    async def finish(self) -> None:
        """Play what still follows from the events before."""
        ...


class Refused(Exception):
    """The gateway refused a change, for this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
