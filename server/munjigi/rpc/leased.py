"""An answer leaves when its record is durable and the worker's lease holds, looked at last, right before it is sent (P1, P8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from munjigi.kernel.errors import MunjigiError, Unavailable
from munjigi.rpc.ports import Durability, Lease


class LeasedDurability:
    """What fronts send by. `plain` waits for durability alone: for the answers of open methods, which no grant decides.

    `withheld` is told how many answers were made and may not be sent, and by which reason.
    """

    def __init__(self, durability: Durability, lease: Lease, withheld: Callable[[str, int], None]) -> None:
        self.plain: Final = durability
        self._lease = lease
        self._withheld = withheld

    def when_durable(self, callback: Callable[[Exception | None], None], *, patience: float = 0.0, answers: int = 1) -> None:
        """Call back with None when the `answers` that wait may be sent now, else with why not."""

        def settle(failure: Exception | None) -> None:
            failure = failure or self._lease.refusal()
            if failure is not None:
                self._note(failure, answers)
            callback(failure)

        self.plain.when_durable(settle, patience=patience, answers=answers)

    async def durable(self, *, patience: float = 0.0) -> None:
        """Return when the answer that waits may be sent now. Raises `Unavailable` when it may not."""
        try:
            await self.plain.durable(patience=patience)
        except Unavailable as error:
            self._note(error, 1)
            raise
        refusal = self._lease.refusal()
        if refusal is not None:
            self._note(refusal, 1)
            raise refusal

    def _note(self, failure: Exception, answers: int) -> None:
        self._withheld(failure.reason if isinstance(failure, MunjigiError) else "INTERNAL", answers)

    def refusal(self) -> Unavailable | None:
        """Return why nothing may be sent now; None while the lease holds."""
        return self._lease.refusal()


def grants_changed() -> Unavailable:
    """Return the error for an answer that grants of the past decided."""
    return Unavailable("GRANTS_CHANGED", "What you hold changed while this was under way; ask again.")
