"""What the workers of one host know of each other, and a worker that is alone. Each writes its own part only, so nobody waits for anybody."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, Protocol

from munjigi.kernel.neighbours import Digest, Failed, Seen

_SESSIONS: Final = 10_000


class Cell(Protocol):
    """How much each worker has let through of one thing, since ever."""

    def add(self, count: int) -> None:
        """Count what this worker lets through."""
        ...

    def others(self) -> int:
        """Return what all other workers have let through."""
        ...


class Counters(Protocol):
    """Cells by name."""

    def cell(self, name: str) -> Cell:
        """Return the cell of a name, which is the same one at every worker."""
        ...

    def known(self, name: str) -> bool:
        """Tell whether this worker's slot has counted under the name, in whatever life of its."""
        ...


class Wire(Protocol):
    """Failures that workers tell each other."""

    def say(self, failed: Failed) -> None:
        """Tell the other workers, and whoever has this slot next."""
        ...

    def hear(self) -> Iterable[Failed]:
        """Return what the others have said since the last call; at the first one all that is remembered, by time, our own too."""
        ...


class Activity(Protocol):
    """When sessions were last used, at whatever worker of this host."""

    def seen(self, session: Digest) -> Seen:
        """Return what is known of a session."""
        ...

    def note(self, session: Digest, seen: Seen) -> None:
        """Say when this worker has seen a session."""
        ...


class _OwnCell:
    def add(self, count: int) -> None: ...

    def others(self) -> int:
        return 0


class Alone:
    """Implements `Counters`, `Wire` and `Activity` for a worker without others."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[Digest, Seen] = OrderedDict()

    def cell(self, name: str) -> Cell:
        """Return a cell of our own."""
        del name
        return _OwnCell()

    def known(self, name: str) -> bool:
        """Say no."""
        del name
        return False

    def say(self, failed: Failed) -> None:
        """Tell nobody."""

    def hear(self) -> Iterable[Failed]:
        """Hear nothing."""
        return ()

    def seen(self, session: Digest) -> Seen:
        """Return what this worker knows."""
        return self._sessions.get(session, Seen(0, 0))

    def note(self, session: Digest, seen: Seen) -> None:
        """Remember it, and forget the one that was not seen for longest where there are too many."""
        self._sessions[session] = seen
        self._sessions.move_to_end(session)
        if len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
