"""An answer that may not be sent is withheld with its reason, and counted."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from munjigi.kernel.errors import AuditUnavailable, Unavailable
from munjigi.rpc.leased import LeasedDurability

LAPSED = Unavailable("STATE_UNREACHABLE", "The lease has run out.")
BROKEN = AuditUnavailable("The disk refuses.")


class Disk:
    def __init__(self, failure: Unavailable | None) -> None:
        self.failure = failure

    def when_durable(self, callback, *, patience: float = 0.0, answers: int = 1) -> None:
        callback(self.failure)

    async def durable(self, *, patience: float = 0.0) -> None:
        if self.failure is not None:
            raise self.failure


class Lease:
    def __init__(self, refused: Unavailable | None) -> None:
        self.refused = refused

    def refusal(self) -> Unavailable | None:
        return self.refused


@pytest.mark.parametrize(
    ("disk", "lease", "reason"),
    [(None, None, None), (None, LAPSED, LAPSED), (BROKEN, None, BROKEN), (BROKEN, LAPSED, BROKEN)],
)
def test_what_is_withheld_is_told_with_its_reason_and_counted(disk, lease, reason):
    counted: Counter[str] = Counter()

    def withheld(why: str, answers: int) -> None:
        counted[why] += answers

    sending = LeasedDurability(Disk(disk), Lease(lease), withheld)
    told: list[Exception | None] = []
    sending.when_durable(told.append, answers=7)
    try:
        asyncio.run(sending.durable())
    except Unavailable as error:
        told.append(error)
    else:
        told.append(None)
    assert told == [reason, reason]
    assert counted == ({} if reason is None else {reason.reason: 8})
