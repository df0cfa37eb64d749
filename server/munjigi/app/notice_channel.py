"""One way out of the house at work: letters from the outbox to a carrier, tried again until they are taken or given up.

Only whoever has the scheduler's duty carries, and stops in the middle when he loses it. A carrier that takes nothing is left alone for a
while, longer each time, with full jitter, and is tried with one letter. It holds up nothing but itself: letters wait on disk,
a handful is in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from typing import Final

from munjigi.adapters.notices.outbox import Kept, Outbox
from munjigi.app.duty import DUTY_LOST, Duty
from munjigi.grants.notices.ports import Carrier, Letter, Outcome
from munjigi.kernel.clock import SECOND, Clock
from munjigi.kernel.errors import FailedPrecondition, Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_LOGGER: Final = logging.getLogger("munjigi.notices")
_BATCH: Final = 50  # letters in memory
_LOOK_SECONDS: Final = 1.0  # between looks for letters whose time came, or that a command let wait again
_FIRST: Final = 1.0  # seconds of the first pause at most; doubles up to the longest
_LONGEST_AWAY: Final = 60.0  # an alarm waits no longer than that once the other side is back
_LONGEST_LATER: Final = 6 * 3600.0


class NoticeChannel:
    """Letters of one channel. `give_up`: nanoseconds after which a letter that is not taken is put aside."""

    def __init__(self, carrier: Carrier, outbox: Outbox, duty: Duty, meter: Meter, clock: Clock, give_up: int) -> None:
        self.name: Final = carrier.channel
        self._carrier = carrier
        self._outbox = outbox
        self._duty = duty
        self._meter = meter
        self._clock = clock
        self._give_up = give_up
        self._failures = 0  # of the carrier, one after the other
        self._taken: set[str] = set()  # letters that were taken while the store could not be told
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Say that letters came in."""
        self._news.set()

    async def run(self) -> None:
        """Carry for ever. Raises what the outbox or the carrier's settings raise."""
        while True:
            self._news.clear()
            pause = await self.turn()
            await asyncio.to_thread(self._show)
            if pause and self._failures:
                await asyncio.sleep(pause)
            elif pause:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), pause)

    async def turn(self) -> float:
        """Carry a handful of letters, one while the carrier takes nothing; return the pause before the next turn, seconds."""
        fence = self._duty.fence
        if fence != self._outbox.fence:
            self._outbox = self._outbox.under(fence)
        kept = await asyncio.to_thread(self._waiting) if fence else []
        if not kept:
            return _LOOK_SECONDS
        errand = _Errand(self, fence, kept)
        try:
            await self._carrier.carry([each.letter for each in kept], errand)
            return await asyncio.to_thread(self._rest, errand.away)
        except FailedPrecondition as error:
            if error.reason != DUTY_LOST:
                raise
            return _LOOK_SECONDS  # what is left is another's

    async def close(self) -> None:
        """Let go of the carrier."""
        await self._carrier.close()

    def holds(self, fence: int) -> bool:
        """Tell whether the duty is still held under this number."""
        return self._duty.fence == fence

    def settle(self, kept: Kept, outcome: Outcome) -> None:
        """Note what became of one letter. Raises `Unavailable`, and `FailedPrecondition` where another has the duty."""
        now = self._clock.now()
        self._meter.add(catalogue.NOTICES_TRIED, self.name, outcome.result)
        letter_id = kept.letter.letter_id
        if outcome.result == "sent":
            self._taken.add(letter_id)
            self._tell_taken()
        elif outcome.result == "away":
            self._outbox.failed(letter_id, outcome.reason, now)
        elif outcome.result == "later" and now - kept.made_at < self._give_up:
            wait = _jittered(kept.tries, _LONGEST_LATER)
            self._outbox.failed(letter_id, outcome.reason, now + int(wait * SECOND))
        else:
            self._outbox.give_up(self.name, outcome.reason, now=now, letter_id=letter_id)
            _LOGGER.error("a notice was given up", extra={"letter": letter_id, "channel": self.name, "reason": outcome.reason})

    def _waiting(self) -> list[Kept]:
        """Return the next letters. What was taken is told first, else it would be sent again."""
        self._tell_taken()
        return self._outbox.due(self.name, self._clock.now(), 1 if self._failures else _BATCH)

    def _tell_taken(self) -> None:
        taken = list(self._taken)
        if taken:
            self._outbox.sent(taken)
            self._taken.difference_update(taken)

    def _rest(self, away: Outcome | None) -> float:
        """Return how long the carrier is left alone; put aside what has waited for too long while it takes nothing."""
        if away is None:
            self._failures = 0
            return 0.0
        now = self._clock.now()
        if not self._failures:
            _LOGGER.warning("notices can't be delivered and wait", extra={"channel": self.name, "reason": away.reason})
        pause = max(away.pause, _jittered(self._failures, _LONGEST_AWAY))
        self._failures += 1
        given_up = self._outbox.give_up(self.name, away.reason, now=now, made_before=now - self._give_up)
        if given_up:
            _LOGGER.error("notices were given up", extra={"channel": self.name, "reason": away.reason, "notices": given_up})
        return pause

    def _show(self) -> None:
        """Say what waits; whoever has the duty says it, so that hosts can be added up."""
        held = bool(self._duty.fence)
        waiting, since, dead = self._outbox.waiting(self.name) if held else (0, 0, 0)
        self._meter.set(catalogue.NOTICES_WAITING, self.name, value=waiting)
        self._meter.set(catalogue.NOTICES_WAITING_SINCE, self.name, value=since / 1e9)
        self._meter.set(catalogue.NOTICES_GIVEN_UP, self.name, value=dead)


class _Errand:
    """One handful of letters; implements `Errand`. `away`: the last that says that the carrier takes nothing."""

    def __init__(self, channel: NoticeChannel, fence: int, kept: Sequence[Kept]) -> None:
        self._channel = channel
        self._fence = fence
        self._kept = {each.letter.letter_id: each for each in kept}
        self.away: Outcome | None = None

    def stands(self) -> bool:
        return self._channel.holds(self._fence)

    def settle(self, letter: Letter, outcome: Outcome) -> None:
        if outcome.result == "away":
            self.away = outcome
        with contextlib.suppress(Unavailable):  # tried again later; what was taken is remembered until the store can be told
            self._channel.settle(self._kept[letter.letter_id], outcome)


def _jittered(failures: int, longest: float) -> float:
    """Return a pause in seconds: anything up to a bound that doubles with each failure (full jitter)."""
    return random.uniform(0, min(longest, _FIRST * 2 ** min(failures, 20)))  # noqa: S311 - spreads load, hides nothing
