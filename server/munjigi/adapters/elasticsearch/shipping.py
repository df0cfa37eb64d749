"""Ship one log: read, make documents, send several requests at once, and move the cursor over what is done.

Requests end in any order; the cursor covers only what has nothing unfinished before it. A record is synced before it is
sent: what a crash could take back must not be in the cluster, where its name would stand for another record.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, NamedTuple

from munjigi.adapters.elasticsearch.documents import Documents, Line, chunks, time_of
from munjigi.adapters.elasticsearch.progress import AHEAD, Cursor, DeadLetter, Progress, digest_of
from munjigi.adapters.elasticsearch.request_size import MOST_DOCUMENTS
from munjigi.adapters.elasticsearch.sender import Sender
from munjigi.audit.ports import LogSource
from munjigi.kernel.errors import Corruption
from munjigi.monitoring import catalogue

IN_FLIGHT: Final = 4  # requests of one log
_READ: Final = 2 * MOST_DOCUMENTS  # records read at once


class _Chunk(NamedTuple):
    """Consecutive records: the lines of those that go in one request, the cursor after them all, and the first one's time.

    `expired` of them are past the retention of their index and have no line.
    """

    lines: list[Line]
    after: Cursor
    time: int
    expired: int


class _Run:
    """One step's work. `open` are the chunks that the cursor does not cover yet, in order; `ready` those nobody sends yet."""

    def __init__(self, begin: int) -> None:
        self.following = begin
        self.last = begin + AHEAD
        self.open: deque[_Chunk] = deque()
        self.ready: deque[_Chunk] = deque()
        self.done: set[int] = set()  # `after.next_index` of finished chunks
        self.more = True  # the last read did not reach the log's end
        self.failed = False


class LogShipping:
    """One log on its way. `pending_since` is the time of the oldest record that is not shipped, 0 when all are.

    `more`: the last step ended before the log did.
    """

    def __init__(self, source: LogSource, documents: Documents, sender: Sender, progress: Progress) -> None:
        self._source = source
        self._documents = documents
        self._sender = sender
        self._progress = progress
        self._epoch: tuple[int, int] | None = None
        self._reading = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._cursor = Cursor()
        self._letters = (-1, -1)
        self.dead_letters = 0
        self.sent = 0
        self.more = False
        self.pending_since = 0

    @property
    def next_index(self) -> int:
        """The index after the last record that is shipped or a dead letter."""
        return self._cursor.next_index

    async def step(self) -> int:
        """Ship at most `AHEAD` records; return how far the cursor moved.

        Raises `Unavailable` when the cluster does not take them, `Corruption` when the log is not what was shipped;
        whatever was moved stays.
        """
        await asyncio.to_thread(self._look)
        begin = self._cursor.next_index
        run = _Run(begin)
        ended = await asyncio.gather(*(self._pump(run) for _ in range(IN_FLIGHT)), return_exceptions=True)
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        moved = self._cursor.next_index - begin
        self.more = moved > 0 and run.more
        return moved

    def _look(self) -> None:
        """Whenever the log's end may have been cut, make sure that it still holds the last record that was shipped."""
        letters = self._progress.letters_version()
        if letters != self._letters:  # `munjigi audit reconcile` takes letters back
            self.dead_letters, self._letters = len(self._progress.dead_letters()), letters
        epoch = self._source.epoch()
        if epoch == self._epoch:
            return
        cursor, first = self._progress.cursor(), self._source.first()
        if cursor.next_index < first:
            cursor = Cursor(next_index=first)  # retention removed what was never shipped
        if cursor.next_index > first:
            last = self._source.read(cursor.next_index - 1, 1)
            if not last or digest_of(last[0][1]) != cursor.digest:
                raise Corruption(
                    "LOG_BEHIND_SHIPPING",
                    f"Log {self._source.log_id} no longer has the records that were shipped: it was rolled back or replaced. "
                    "Run `munjigi audit verify` and `munjigi audit reconcile`, and keep the folder as it is.",
                )
        gone = [DeadLetter(index, 0, "") for index in self._progress.dead_letters() if index < first]
        if gone:
            self.dead_letters = self._progress.add_letters(gone)
        self._cursor, self._epoch = cursor, epoch

    async def _pump(self, run: _Run) -> None:
        """Send chunk after chunk until there are no more, or until another one failed."""
        try:
            while (chunk := await self._next(run)) is not None:
                dead = await self._sender.send(chunk.lines) if chunk.lines else []
                self.sent += len(chunk.lines)
                if chunk.expired:
                    self._sender.count(catalogue.SHIP_RECORDS, "expired", amount=chunk.expired)
                if dead:
                    letters = [DeadLetter(each.line.position, each.status, each.kind) for each in dead]
                    self.dead_letters = await asyncio.to_thread(self._progress.add_letters, letters)
                run.done.add(chunk.after.next_index)
                await self._advance(run)
        except BaseException:
            run.failed = True
            raise

    async def _next(self, run: _Run) -> _Chunk | None:
        async with self._reading:
            if run.failed:
                return None
            if not run.ready and run.following < run.last:
                found, run.more = await asyncio.to_thread(self._read, run.following)
                run.ready.extend(found)
                run.open.extend(found)
                # What is written meanwhile waits, and shares the requests of the next step.
                run.following = found[-1].after.next_index if found and run.more else run.last
                self.pending_since = run.open[0].time if run.open else 0
            return run.ready.popleft() if run.ready else None

    def _read(self, following: int) -> tuple[list[_Chunk], bool]:
        """Read records that are durable, and make their requests; tell whether there may be more. Runs on a thread; one at a time.

        What is past its retention goes along with what is sent after or before it, so that the cursor passes it.
        """
        records = self._source.read(following, _READ)
        if not records:
            return [], False
        self._source.settle()
        lines = self._documents.lines(self._source.log_id, records)
        requests = list(chunks(lines, MOST_DOCUMENTS, self._sender.most_bytes)) or [[]]
        ends = [*(request[0].position - following for request in requests[1:]), len(records)]
        made = []
        begin = 0
        for request, end in zip(requests, ends, strict=True):
            after = Cursor(next_index=following + end, digest=digest_of(records[end - 1][1]))
            made.append(_Chunk(request, after, time_of(records[begin][1]), end - begin - len(request)))
            begin = end
        return made, len(records) == _READ

    async def _advance(self, run: _Run) -> None:
        """Move the cursor over the chunks that are finished without a gap, and make it durable."""
        async with self._saving:
            at = self._cursor
            while run.open and run.open[0].after.next_index in run.done:
                at = run.open.popleft().after
            if at is not self._cursor:
                await asyncio.to_thread(self._progress.save, at)
                self._cursor = at
            self.pending_since = run.open[0].time if run.open else 0
