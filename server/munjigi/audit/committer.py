"""Group commit: everything that is appended while a sync runs shares the next one.

`loop` mode commits on the event loop, once the callbacks that were already queued have appended. `thread` mode writes and syncs on
one thread while the loop goes on with the next group, which waits in the thread's queue once it is full. `mixed` mode commits on the
loop what waits alone and has come after another one alone, and all else on the thread: whoever asks one question after the other does
not pay for two switches between threads, and nobody else is there to be held up. It wins wherever a sync is short
(docs/performance.md has the measurements).
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Literal

from munjigi.audit.files import SystemDevice
from munjigi.audit.journal import Batch, Journal
from munjigi.kernel.errors import AuditUnavailable

Mode = Literal["loop", "mixed", "thread"]
Waiter = Callable[[Exception | None], None]
_SHORT_SYNC: Final = 0.001  # seconds
FULL_GROUP: Final = 64  # records: a group of as many gains little by more company


def choose_mode(sync_seconds: float) -> Mode:
    """Choose where to commit, from the measured time of one sync in seconds."""
    return "mixed" if sync_seconds < _SHORT_SYNC else "thread"


def measure_sync(folder: Path, times: int = 7) -> float:
    """Return the median seconds of a few small synced writes to a scratch file in `folder`.

    Raises `AuditUnavailable` when the disk refuses.
    """
    device = SystemDevice()
    seconds = []
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as scratch:
            for _ in range(times):
                begin = time.perf_counter()
                device.append(scratch.fileno(), memoryview(b"munjigi\n" * 64))
                seconds.append(time.perf_counter() - begin)
    except OSError as error:
        raise AuditUnavailable(
            f"{os.fspath(folder)} can't be written and synced; free space on its disk or repair it."
        ) from error
    return statistics.median(seconds)


class GroupCommitter:
    """Run callbacks once everything that was appended before they were given is durable.

    Belongs to the event loop it was made on. Where calls trickle in one by one (grpc.aio), who waits may have `patience`:
    after a commit that several shared, the next one waits as long for company, unless somebody without patience comes;
    who is alone never waits. `on_failure` is called once, after the waiting callbacks got their error; the process then
    ends. Counters: `commits`, `records`, `bytes` and the seconds of the last
    sync and of all syncs.
    """

    def __init__(self, journal: Journal, mode: Mode, on_failure: Callable[[AuditUnavailable], None]) -> None:
        self.mode: Final[Mode] = mode
        self.commits = 0
        self.records = 0
        self.bytes = 0
        self.last_sync_seconds = 0.0
        self.total_sync_seconds = 0.0
        self._journal = journal
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._patience = 0.0  # the least of those who wait, in seconds
        self._timer: asyncio.TimerHandle | None = None
        self._company = self._answers = 0  # how many answers shared the last commit, and how many wait for the next
        self._waiting: list[Waiter] = []
        self._scheduled = False  # a commit is queued on the loop
        self._given = 0  # batches that the thread has: one that it writes, one behind it at most
        self._given_index = journal.next_index  # the end of the last batch
        self._failure: AuditUnavailable | None = None
        self._queue: SimpleQueue[tuple[Batch, list[Waiter], bool] | None] = SimpleQueue()
        self._taken = threading.Lock()  # free once the thread has begun with what it was woken for
        self._taken.acquire()
        self._thread: threading.Thread | None = None
        if mode != "loop":
            self._thread = threading.Thread(target=self._work, name="munjigi-journal", daemon=True)
            self._thread.start()

    def when_durable(self, callback: Waiter, *, patience: float = 0.0, answers: int = 1) -> None:
        """Call back with None once all records appended so far are durable, or with `AuditUnavailable`.

        The callback runs on the loop, never within this call. `patience` in seconds; `answers` is for how many it waits.
        """
        self._answers += answers
        self._patience = min(self._patience, patience) if self._waiting else patience
        self._waiting.append(callback)
        if self._timer is not None and not patience:
            self._timer.cancel()
            self._schedule()
        else:
            self._schedule_if_due()

    async def durable(self, *, patience: float = 0.0) -> None:
        """Wait until all records appended so far are durable.

        Raises `AuditUnavailable` when they can't be made so.
        """
        future: asyncio.Future[None] = self._loop.create_future()

        def resolve(error: Exception | None) -> None:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)

        self.when_durable(resolve, patience=patience)
        await future

    async def close(self) -> None:
        """Commit what is left and stop the thread. The journal stays open.

        Raises `AuditUnavailable` when what is left can't be made durable.
        """
        try:
            await self.durable()
        finally:
            if self._thread is not None:
                self._queue.put(None)
                await asyncio.to_thread(self._thread.join)
                self._thread = None

    def _schedule_if_due(self) -> None:
        """Let a commit begin if none does, and the thread has nothing, or one batch only while a full group waits.

        With a group in its queue the thread goes on by itself, and does not wait until the loop has heard of the last one.
        """
        if not self._scheduled and self._waiting:
            full = self._journal.next_index - self._given_index >= FULL_GROUP
            if not self._given or (self._given == 1 and full):
                self._schedule()

    def _schedule(self) -> None:
        self._scheduled, self._timer = True, None
        if self._patience and self._company > 1 and not self._given:
            self._timer = self._loop.call_later(self._patience, self._commit)
        else:
            self._loop.call_soon(self._commit)

    def _commit(self) -> None:
        self._scheduled, self._timer = False, None
        batch = self._journal.take() if self._failure is None else None
        if batch is None and self._given and self._failure is None:
            return  # nothing new: who waits is answered once what is under way has come
        waiting, self._waiting = self._waiting, []
        before, self._company, self._answers = self._company, self._answers, 0
        if batch is None:  # all that was appended is durable, or never will be
            self._answer(waiting, self._failure)
            return
        self._given_index = batch.next_index
        if self._thread is None or (self.mode == "mixed" and before <= 1 and self._company <= 1 and not self._given):
            self._finish(batch, waiting, *self._write(batch))
            return
        self._given += 1
        woken = self._given == 1
        self._queue.put((batch, waiting, woken))
        if woken:
            self._taken.acquire()  # else the thread waits for this one's lock (GIL) until the loop is idle, and nothing overlaps

    def _write(self, batch: Batch) -> tuple[int, float, AuditUnavailable | None]:
        """Commit a batch: its bytes, the seconds it took, the error if any."""
        begin = time.perf_counter()
        try:
            size = self._journal.commit(batch)
        except AuditUnavailable as error:
            return 0, time.perf_counter() - begin, error
        return size, time.perf_counter() - begin, None

    def _work(self) -> None:
        """Serve the queue on the thread."""
        while (job := self._queue.get()) is not None:
            batch, waiting, woken = job
            if woken:
                self._taken.release()
            size, seconds, failure = self._write(batch)
            try:
                self._loop.call_soon_threadsafe(self._finish_thread, batch, waiting, size, seconds, failure)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

    def _finish_thread(
        self, batch: Batch, waiting: list[Waiter], size: int, seconds: float, failure: AuditUnavailable | None
    ) -> None:
        self._given -= 1
        self._schedule_if_due()  # before anybody is answered who may append at once: the thread has had its rest
        self._finish(batch, waiting, size, seconds, failure)

    def _finish(self, batch: Batch, waiting: list[Waiter], size: int, seconds: float, failure: AuditUnavailable | None) -> None:
        if failure is None:
            self._journal.settle(batch)
            self.commits += 1
            self.records += batch.next_index - batch.first_index
            self.bytes += size
            self.last_sync_seconds = seconds
            self.total_sync_seconds += seconds
            self._answer(waiting, None)
            return
        first, self._failure = self._failure is None, failure
        self._answer(waiting, failure)
        if first:
            self._on_failure(failure)

    def _answer(self, waiting: list[Waiter], failure: AuditUnavailable | None) -> None:
        """Call back each waiter; one that raises does not harm the others."""
        for callback in waiting:
            try:
                callback(failure)
            except Exception as error:  # noqa: BLE001 -- handed to the loop's handler, which reports it
                self._loop.call_exception_handler({"message": "a callback of the group commit failed", "exception": error})
