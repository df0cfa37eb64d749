"""Why a piece of Casbin text is refused, and at which character."""

from __future__ import annotations

from typing import Final

MAX_MATCHER: Final = 64 * 1024
MAX_NESTING: Final = 100
MAX_CHAIN: Final = 200
MAX_PATTERN: Final = 4096
MAX_ROWS: Final = 1_000_000
MAX_POLICY_BYTES: Final = 256 * 1024 * 1024
MAX_MODEL_BYTES: Final = 1024 * 1024


class Refusal(Exception):
    """Leaves no room: the readers turn it into a `Problem`. `at` is an offset into the text that was read."""

    def __init__(self, at: int, code: str, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.code = code
        self.message = message
