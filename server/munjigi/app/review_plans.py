"""Have reviews planned in a process beside this one, one at a time: it may take a minute and gigabytes."""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from typing import Final

from munjigi.app import logs
from munjigi.kernel import errors
from munjigi.kernel.errors import MunjigiError, Unavailable
from munjigi.review.orders import ReviewMade, ReviewOrder

_LOGGER: Final = logging.getLogger("munjigi.review")
_LONGEST_SECONDS: Final = 600.0


class ReviewPlans:
    """Plans reviews. Implements `rpc.ports.ReviewPlans`. Lives on the event loop."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self._busy = asyncio.Lock()

    async def made(self, order: ReviewOrder) -> ReviewMade:
        """Plan what is ordered. Raises what the planner raises, and `Unavailable` when its process ended early."""
        async with self._busy:
            found = await self._ask(order._replace(state_dir=self._state_dir))
        if found.refusal:
            kind: type[MunjigiError] = getattr(errors, found.refusal, MunjigiError)
            raise kind(found.reason, found.message)
        return found

    async def _ask(self, order: ReviewOrder) -> ReviewMade:
        arguments = ("-m", "munjigi.app.review_child", *logs.style_in_use())
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=PIPE, stdout=PIPE)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                answer, _ = await process.communicate(pickle.dumps(order))
            made: ReviewMade = pickle.loads(answer)  # noqa: S301 - our own child wrote it
        except (OSError, EOFError, pickle.UnpicklingError, TimeoutError) as error:
            _LOGGER.error("the process that plans reviews ended early", extra={"error": type(error).__name__})  # noqa: TRY400
            message = (
                "The process that plans reviews ended before it was done; make sure that it gets enough memory, then plan again."
            )
            raise Unavailable("REVIEW_PLANNER_ENDED", message) from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return made
