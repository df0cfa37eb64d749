"""One way out of the house at work: letters from the outbox to a carrier, tried again until they are taken or given up.

A carrier that takes nothing is left alone for a while, longer each time, with full jitter, and is tried with one letter. It holds up
nothing but itself: letters wait on disk, a handful is in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from typing import Final

from munjigi.adapters.notices.outbox import Kept, Outbox
from munjigi.grants.notices.ports import Carrier, Outcome
from munjigi.kernel.clock import SECOND, Clock
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

    def __init__(self, carrier: Carrier, outbox: Outbox, meter: Meter, clock: Clock, give_up: int) -> None:
        self.name: Final = carrier.channel
        self._carrier = carrier
        self._outbox = outbox
        self._meter = meter
        self._clock = clock
        self._give_up = give_up
        self._failures = 0  # of the carrier, one after the other
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
        kept = await asyncio.to_thread(self._outbox.due, self.name, self._clock.now(), 1 if self._failures else _BATCH)
        if not kept:
            return _LOOK_SECONDS
        outcomes = await self._carrier.carry([each.letter for each in kept])
        return await asyncio.to_thread(self._settle, kept, outcomes)

    async def close(self) -> None:
        """Let go of the carrier."""
        await self._carrier.close()

    def _settle(self, kept: Sequence[Kept], outcomes: Sequence[Outcome]) -> float:
        now = self._clock.now()
        done = list(zip(kept, outcomes, strict=False))
        self._outbox.sent([each.letter.letter_id for each, outcome in done if outcome.result == "sent"])
        away: Outcome | None = None
        for each, outcome in done:
            self._meter.add(catalogue.NOTICES_TRIED, self.name, outcome.result)
            letter_id = each.letter.letter_id
            if outcome.result == "away":
                away = outcome
                self._outbox.failed(letter_id, outcome.reason, now)
            elif outcome.result == "later" and now - each.made_at < self._give_up:
                wait = _jittered(each.tries, _LONGEST_LATER)
                self._outbox.failed(letter_id, outcome.reason, now + int(wait * SECOND))
            elif outcome.result != "sent":
                self._outbox.give_up(self.name, outcome.reason, now=now, letter_id=letter_id)
                _LOGGER.error(
                    "a notice was given up", extra={"letter": letter_id, "channel": self.name, "reason": outcome.reason}
                )
        return self._rest(away, now)

    def _rest(self, away: Outcome | None, now: int) -> float:
        """Return how long the carrier is left alone; put aside what has waited for too long while it takes nothing."""
        if away is None:
            self._failures = 0
            return 0.0
        if not self._failures:
            _LOGGER.warning("notices can't be delivered and wait", extra={"channel": self.name, "reason": away.reason})
        pause = max(away.pause, _jittered(self._failures, _LONGEST_AWAY))
        self._failures += 1
        given_up = self._outbox.give_up(self.name, away.reason, now=now, made_before=now - self._give_up)
        if given_up:
            _LOGGER.error("notices were given up", extra={"channel": self.name, "reason": away.reason, "notices": given_up})
        return pause

    def _show(self) -> None:
        waiting = self._outbox.waiting(self.name)
        self._meter.set(catalogue.NOTICES_WAITING, self.name, value=waiting.waiting)
        self._meter.set(catalogue.NOTICES_WAITING_SINCE, self.name, value=waiting.since / 1e9)
        self._meter.set(catalogue.NOTICES_GIVEN_UP, self.name, value=waiting.dead)


def _jittered(failures: int, longest: float) -> float:
    """Return a pause in seconds: anything up to a bound that doubles with each failure (full jitter)."""
    return random.uniform(0, min(longest, _FIRST * 2 ** min(failures, 20)))  # noqa: S311 - spreads load, hides nothing
