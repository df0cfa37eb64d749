"""An answer leaves when its record is durable and the worker's lease holds, looked at last, right before it is sent (P1, P8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from munjigi.kernel.errors import Unavailable
from munjigi.rpc.ports import Durability, Lease


class LeasedDurability:
    """What fronts send by. `plain` waits for durability alone: for the answers of open methods, which no grant decides."""

    def __init__(self, durability: Durability, lease: Lease) -> None:
        self.plain: Final = durability
        self._lease = lease

    def when_durable(self, callback: Callable[[Exception | None], None], *, patience: float = 0.0) -> None:
        """Call back with None when what waits may be sent now, else with why not."""
        refusal = self._lease.refusal
        self.plain.when_durable(lambda failure: callback(failure or refusal()), patience=patience)

    async def durable(self, *, patience: float = 0.0) -> None:
        """Return when what waits may be sent now. Raises `Unavailable` when it may not."""
        await self.plain.durable(patience=patience)
        refusal = self._lease.refusal()
        if refusal is not None:
            raise refusal

    def refusal(self) -> Unavailable | None:
        """Return why nothing may be sent now; None while the lease holds."""
        return self._lease.refusal()


def grants_changed() -> Unavailable:
    """Return the error for an answer that grants of the past decided."""
    return Unavailable("GRANTS_CHANGED", "What you hold changed while this was under way; ask again.")
