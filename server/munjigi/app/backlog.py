"""How many records of a log wait for a job: counted by reading on, and only while something waits."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from munjigi.audit.ports import LogSource
from munjigi.kernel.errors import MunjigiError

_PIECE: Final = 10_000  # records
_PIECES: Final = 10  # of one look, so that it never holds the job up; the next one goes on


class Backlog:
    """The end of one log, as far as it was seen. Has a reader of its own: the job's stands elsewhere."""

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._epoch: tuple[int, int] | None = None
        self._end = 0

    def look(self, done: int) -> int:
        """Return how many records there are from `done` on; after a long absence it takes some looks to see them all."""
        epoch = self._source.epoch()
        if epoch != self._epoch:
            self._epoch, self._end = epoch, done  # the end may have been cut
        self._end = max(self._end, done)
        with suppress(MunjigiError):  # what can't be read is the job's to tell
            for _ in range(_PIECES):
                found = len(self._source.read(self._end, _PIECE))
                self._end += found
                if found < _PIECE:
                    break
        return self._end - done
