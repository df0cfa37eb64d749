"""What the `guarded` decorators of both clients share: arguments that come from the call, and the access handed over."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final

from munjigi_client._errors import ConfigurationError

FromCall = Callable[..., Any]


class Binding:
    """How one decorated function's call becomes a question.

    `case_id` and `member_ids` are values, or functions that take the call's own arguments. A parameter named `access`
    receives the `Access`. Raises `ConfigurationError` at decoration when the function has none: nothing could be reported.
    """

    def __init__(self, function: Callable[..., Any], case_id: str | FromCall, member_ids: Iterable[str] | FromCall) -> None:
        if "access" not in inspect.signature(function).parameters:
            name = getattr(function, "__qualname__", "the function")
            message = f"{name} needs a parameter `access`, to report with `access.read(rows=...)` what it read."
            raise ConfigurationError("NO_ACCESS_PARAMETER", message)
        self._case_id: Final = case_id
        self._member_ids: Final = member_ids

    def of(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        """Return `case_id` and `member_ids` for one call."""
        return {
            "case_id": self._case_id(*arguments, **named) if callable(self._case_id) else self._case_id,
            "member_ids": self._member_ids(*arguments, **named) if callable(self._member_ids) else self._member_ids,
        }
