"""The job that tells people: it reads the logs of permission records by cursor, asks the rules, and keeps the letters on their way.

Nothing waits for it, and it waits for no receiver: what is to be told is in the outbox before the cursor moves, and each channel
carries at its own pace. What time brings about is looked for now and then; whose job that is, where several instances share one
state, is decided by who runs it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, Protocol

import msgspec

from munjigi.adapters.notices.outbox import Outbox
from munjigi.adapters.state.holdings import StoredHoldings
from munjigi.app.duty import DUTY_LOST, Duty
from munjigi.app.notice_channel import NoticeChannel
from munjigi.app.policy_in_force import PolicyInForce
from munjigi.audit.permission_records import PermissionRecord
from munjigi.audit.ports import LogSource
from munjigi.audit.records import decode
from munjigi.grants.book import Book
from munjigi.grants.notices.due import DAY, Pace, State, due
from munjigi.grants.notices.letters import Post, letters_of
from munjigi.grants.notices.notice import Notice
from munjigi.grants.notices.told import told
from munjigi.grants.ports import StateStore
from munjigi.grants.review_ports import ItemFilter, ReviewFilter
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.ids import record_id
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter
from munjigi.review.campaign import all_items
from munjigi.review.kept import KeptPlans
from munjigi.review.notices import review_notices

_LOGGER: Final = logging.getLogger("munjigi.notices")
_PIECE: Final = 500  # records, or notices, of one transaction
_OLDEST: Final = DAY  # of a log that was never looked at, older records are not told: that was somebody else's, or long ago
_PAUSE: Final = 30.0  # seconds between looks at what time brought about, at least
_SHARE: Final = 100  # a look takes no more than one part in so many of the time


class Place(Protocol):
    """The state, opened for this job. Every method may raise `Unavailable`."""

    @property
    def store(self) -> StateStore:
        """The store."""
        ...

    @property
    def holdings(self) -> StoredHoldings:
        """Who holds what, looked up in it."""
        ...

    def logs(self) -> Sequence[LogSource]:
        """Return the logs of permission records."""
        ...

    def close(self) -> None:
        """Let go of what is open. A second call does nothing."""
        ...


class Looked:
    """Implements `grants.notices.ports.Outlook` over the state, and the outbox, which knows what was said."""

    def __init__(self, holdings: StoredHoldings, outbox: Outbox) -> None:
        self.ending = holdings.ending
        self.lapsing = holdings.lapsing
        self.undecided = holdings.undecided
        self.said = outbox.said


class Notifier:
    """Tell people. Implements `app.jobs.Job`."""

    name = "notify"

    def __init__(
        self,
        place: Place,
        policy: PolicyInForce,
        duty: Duty,
        outbox: Outbox,
        channels: Sequence[NoticeChannel],
        pace: Pace,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._place = place
        self._policy = policy
        self._duty = duty
        self._outbox = outbox
        self._channels = channels
        self._names = tuple(channel.name for channel in channels)
        self._pace = pace
        self._clock = clock
        self._meter = meter
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cursors: dict[str, int] = {}
        self._plans = KeptPlans()
        self._looks_at = 0.0  # by the monotonic clock
        self._closing: asyncio.Task[None] | None = None

    async def step(self) -> bool:
        """Put what is new into the outbox, and see that the channels carry; raises what a channel raised."""
        came = await asyncio.to_thread(self._gather_if_ours)
        ended = [self._tasks.pop(name) for name, task in list(self._tasks.items()) if task.done()]
        for channel in self._channels:
            if channel.name not in self._tasks:
                self._tasks[channel.name] = asyncio.get_running_loop().create_task(channel.run())
            if came:
                channel.wake()
        for task in ended:
            task.result()
        return came

    def close(self) -> asyncio.Task[None]:
        """Break off what is being sent, let go of everything, and leave the duty to others; return what to wait for."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        return self._closing

    async def _close(self) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels))
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await asyncio.to_thread(self._duty.end)
        self._place.close()

    def _gather_if_ours(self) -> bool:
        fence = self._duty.fence
        if fence != self._outbox.fence:  # another may have told more meanwhile
            self._outbox, self._cursors, self._looks_at = self._outbox.under(fence), {}, 0.0
        try:
            return bool(fence) and self._gather()
        except FailedPrecondition as error:
            if error.reason != DUTY_LOST:
                raise
            return False

    def _gather(self) -> bool:
        logs = self._place.logs()
        came = any([self._told(source) for source in logs])  # noqa: C419 - each log has its turn
        if logs and time.monotonic() >= self._looks_at:
            began = time.monotonic()
            came = self._due() or came
            self._looks_at = time.monotonic() + max(_PAUSE, _SHARE * (time.monotonic() - began))
        return came

    def _told(self, source: LogSource) -> bool:
        """Put what a piece of a log makes people be told into the outbox, and move the cursor; tell whether there was any."""
        start = self._cursors.get(source.log_id)
        if start is None:
            known = self._outbox.cursor(source.log_id)
            start = first_since(source, self._clock.now() - _OLDEST) if known is None else known
            self._cursors[source.log_id] = start
        found = source.read(start, _PIECE)
        book = self._book() if found else None
        if book is None:
            return False
        post: Post = []
        for index, payload in found:
            record = decode(payload)
            notice = told(record, record_id(source.log_id, index), book) if isinstance(record, PermissionRecord) else None
            if notice is not None:
                post += self._letters(notice, book)
        end = found[-1][0] + 1
        self._outbox.take(post, now=self._clock.now(), log_id=source.log_id, next_index=end)
        self._cursors[source.log_id] = end
        return True

    def _due(self) -> bool:
        """Put what time brought about into the outbox; tell whether there was any."""
        book = self._book()
        if book is None:
            return False
        state = State(Looked(self._place.holdings, self._outbox), book, self._pace)
        made: list[tuple[Notice, Post]] = []
        some = False
        for notice in chain(due(state, book.now), self._of_reviews(book)):
            made.append((notice, self._letters(notice, book)))
            some = True
            if len(made) == _PIECE:
                self._outbox.say(made, now=book.now)
                made = []
        if made:
            self._outbox.say(made, now=book.now)
        return some

    def _of_reviews(self, book: Book) -> Iterator[Notice]:
        """Yield what is to be said of the reviews in which people decide."""
        with self._place.store.moment() as moment:
            seen = book._replace(reviews=moment.reviews)
            for review in moment.reviews.reviews(ReviewFilter(state="open")):
                plan = self._plans.of(moment.reviews, review.plan_digest)
                known = {each.number: each for each in all_items(seen, ItemFilter(review.review_id))}
                yield from review_notices(seen, review, plan, known, self._outbox.said)

    def _letters(self, notice: Notice, book: Book) -> Post:
        self._meter.add(catalogue.NOTICES_MADE, notice.kind, notice.severity)
        return letters_of(msgspec.structs.replace(notice, zone=book.bundle.calendar.zone), self._names)

    def _book(self) -> Book | None:
        """Return the state at this moment; None before a worker said by which policy it decides."""
        bundle = self._policy.bundle()
        if bundle is None:
            return None
        return Book(self._place.holdings, bundle, self._clock.now(), self._place.store.request)


def first_since(source: LogSource, at: int) -> int:
    """Return the index of the first record of a log that is not older than `at` (UTC nanoseconds), or of the next to come."""
    base, step = source.first(), 1  # what lies below, retention has removed
    while (found := source.read(base + step - 1, 1)) and decode(found[0][1]).time < at:
        step *= 2
    low, high = base + step // 2, base + step - 1
    while low < high:
        middle = (low + high) // 2
        found = source.read(middle, 1)
        if found and decode(found[0][1]).time < at:
            low = middle + 1
        else:
            high = middle
    return low
