"""Send confirmations in batches, and lose none silently.

A confirmation waits at most `INTERVAL` seconds for company. One that could not be sent because Munjigi was away is sent
again until the decision's minute has passed; what is refused or too late by then is logged by count and reason (never by
member), handed to `on_lost`, and raised as `ConfirmationsLost` by `flush()` and `close()`.

`Book` is the bookkeeping, without threads or calls, that the sync and the asyncio client share.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from munjigi_client._calls import item_error
from munjigi_client._errors import ConfirmationsLost, MunjigiClientError, RateLimited, Unavailable
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

INTERVAL: Final = 0.1
VALIDITY: Final = 60.0  # seconds: the contract's limit for confirming a read
CAPACITY: Final = 10_000
_BATCH_ITEMS: Final = 500  # of at most 1,000
_BATCH_MEMBERS: Final = 20_000  # keeps a message far below 4 MiB, the usual limit of servers
PAUSE: Final = 0.5  # seconds between attempts while Munjigi is away
_LOGGER: Final = logging.getLogger("munjigi_client")

Lost = Callable[[Mapping[str, int]], None]


class Pending(NamedTuple):
    """One confirmation, the token of the employee who asked, and when to give up (monotonic seconds)."""

    item: pb.ConfirmItem
    token: str
    give_up: float


class Book:
    """What waits to be sent, and what was lost. Not thread-safe."""

    def __init__(self, on_lost: Lost | None) -> None:
        self.waiting: deque[Pending] = deque()
        self._lost: Counter[str] = Counter()
        self._on_lost = on_lost

    def take(self) -> Iterator[list[Pending]]:
        """Take everything that waits, in batches of one employee each."""
        groups: dict[str, list[list[Pending]]] = {}
        members: Counter[str] = Counter()
        while self.waiting:
            pending = self.waiting.popleft()
            batches = groups.setdefault(pending.token, [[]])
            members[pending.token] += len(pending.item.member_ids)
            if len(batches[-1]) >= _BATCH_ITEMS or (batches[-1] and members[pending.token] > _BATCH_MEMBERS):
                batches.append([])
                members[pending.token] = len(pending.item.member_ids)
            batches[-1].append(pending)
        for batches in groups.values():
            yield from batches

    def answered(self, batch: list[Pending], response: pb.ConfirmReadResponse, now: float) -> None:
        """Note the results of a batch that was answered."""
        for pending, result in zip(batch, response.results, strict=False):
            if result.HasField("error"):
                self.failed([pending], item_error(result.error), now)
        if len(response.results) < len(batch):
            self.give_up(batch[len(response.results) :], "ANSWER_INCOMPLETE")

    def give_up(self, batch: list[Pending], reason: str) -> None:
        """Count confirmations as lost."""
        if not batch:
            return
        self._lost[reason] += len(batch)
        _LOGGER.error("%d read confirmations were not recorded: %s", len(batch), reason)
        if self._on_lost is not None:
            try:
                self._on_lost({reason: len(batch)})
            except Exception:
                # The tool's own function must not stop the sending of everyone else's confirmations.
                _LOGGER.exception("on_lost failed")

    def raise_lost(self) -> None:
        """Raise `ConfirmationsLost` when something was lost since the last time."""
        lost, self._lost = self._lost, Counter()
        if lost:
            raise ConfirmationsLost(lost)

    def failed(self, batch: list[Pending], error: MunjigiClientError, now: float) -> None:
        """Note that a batch failed: what may work later waits again, the rest is lost."""
        again = isinstance(error, Unavailable | RateLimited)
        self.waiting.extend(pending for pending in batch if again and now < pending.give_up)
        self.give_up([pending for pending in batch if not again or now >= pending.give_up], error.reason)


class Flusher:
    """The sync client's sender: one background thread, started by the first confirmation."""

    def __init__(self, send: Callable[[list[Pending]], pb.ConfirmReadResponse], on_lost: Lost | None) -> None:
        self._send = send
        self._book = Book(on_lost)
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False

    def add(self, item: pb.ConfirmItem, token: str) -> None:
        """Queue a confirmation; when the queue is full, send here and now instead of dropping one."""
        with self._changed:
            closing = self._closing
            self._book.waiting.append(Pending(item, token, time.monotonic() + VALIDITY))
            crowded = len(self._book.waiting) > CAPACITY
            if self._thread is None and not closing:
                self._thread = threading.Thread(target=self._run, name="munjigi-confirmations", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        if crowded or closing:
            self._send_all()
        with self._changed:
            excess = max(0, len(self._book.waiting) - CAPACITY)
            self._book.give_up([self._book.waiting.popleft() for _ in range(excess)], "QUEUE_FULL")

    def flush(self, timeout: float) -> None:
        """Send what waits, trying for at most `timeout` seconds. Raises `ConfirmationsLost`."""
        end = time.monotonic() + timeout
        self._send_all()
        while (left := end - time.monotonic()) > 0:
            with self._changed:
                if not self._book.waiting:
                    break
                self._changed.wait(min(left, PAUSE))
            self._send_all()
        with self._changed:
            self._book.raise_lost()

    def close(self, timeout: float) -> None:
        """Flush, then count what still waits as lost. Raises `ConfirmationsLost`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        lost: ConfirmationsLost | None = None
        try:
            self.flush(timeout)
        except ConfirmationsLost as error:
            lost = error
        if self._thread is not None:
            self._thread.join(timeout)
        with self._changed:
            remaining = list(self._book.waiting)
            self._book.waiting.clear()
            self._book.give_up(remaining, "UNAVAILABLE")
            try:
                self._book.raise_lost()
            except ConfirmationsLost as error:
                if lost is not None:
                    raise ConfirmationsLost(Counter(lost.reasons) + Counter(error.reasons)) from None
                raise
        if lost is not None:
            raise lost

    def _run(self) -> None:
        pause = INTERVAL
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._book.waiting)
                self._changed.wait_for(lambda: self._closing or len(self._book.waiting) >= _BATCH_ITEMS, pause)
                if self._closing:
                    return
            self._send_all()
            pause = PAUSE if self._book.waiting else INTERVAL

    def _send_all(self) -> None:
        with self._sending:
            with self._changed:
                batches = deque(self._book.take())
            try:
                while batches:
                    self._send_one(batches[0])
                    batches.popleft()
            finally:  # interrupted in the middle: what was not settled waits again
                with self._changed:
                    for batch in batches:
                        self._book.waiting.extend(batch)

    def _send_one(self, batch: list[Pending]) -> None:
        try:
            response = self._send(batch)
        except MunjigiClientError as error:
            with self._changed:
                self._book.failed(batch, error, time.monotonic())
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch must be counted
            with self._changed:
                self._book.give_up(batch, type(error).__name__)
        else:
            with self._changed:
                self._book.answered(batch, response, time.monotonic())
