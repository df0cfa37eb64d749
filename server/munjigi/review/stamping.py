"""Words that come too fast, or are all the same, are looked at by somebody else: a sample of them (rule R15).

The sample is a function of the plan and the items' numbers, so that nobody chooses it, and whoever looks at it later finds the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from munjigi.kernel.clock import SECOND
from munjigi.kernel.review import ReviewItem

FAST: Final = 30  # items a minute
ALIKE: Final = 50  # items, all kept
SHARE: Final = 0.1
_MINUTE: Final = 60 * SECOND


def signals(items: Sequence[ReviewItem]) -> tuple[str, ...]:
    """Return the codes of what is odd about items that one person decided last.

    `TOO_FAST`: more than 30 a minute of the time that they were looked at, over at least as many. `ALL_KEPT`: more than 50, all kept.
    """
    spent = sum(item.votes[-1].spent for item in items)
    fast = len(items) > FAST and len(items) * _MINUTE > FAST * spent
    alike = len(items) > ALIKE and all(item.word == "keep" for item in items)
    return ("TOO_FAST",) * fast + ("ALL_KEPT",) * alike


def ranked(digest: str, numbers: Iterable[int]) -> list[int]:
    """Return item numbers in an order that the plan's digest alone gives."""
    return sorted(numbers, key=lambda number: hashlib.sha256(f"{digest}:{number}".encode()).digest())


def sample(digest: str, numbers: Collection[int], share: float = SHARE) -> list[int]:
    """Return a share of the items, rounded up: the first of them by `ranked`."""
    return ranked(digest, numbers)[: math.ceil(share * len(numbers))]
