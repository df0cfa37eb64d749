"""What the fields of a rule are where a policy has no rule: nothing equals it, nothing matches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final


class Nothing:
    """Unequal to everything, itself included; contains nothing."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Never equal."""
        return False

    def __hash__(self) -> int:
        """Return a constant: there is one such value."""
        return 0

    def __contains__(self, item: object) -> bool:
        """Contain nothing."""
        return False


NOTHING: Final = Nothing()


def closed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that says False about nothing."""

    def guarded(*args: Any) -> Any:
        return False if any(each is NOTHING for each in args) else function(*args)

    return guarded
