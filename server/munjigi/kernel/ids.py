"""Identifiers: what they may look like, and how a record is named."""

from __future__ import annotations

import re
from typing import Final

from munjigi.kernel.errors import InvalidArgument

ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_LOG_ID: Final = re.compile(r"[a-z0-9]{20}\Z")
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_log_id(randomness: bytes) -> str:
    """Make a log id of 20 characters [0-9a-z] out of at least 13 random bytes (103 bits)."""
    number = int.from_bytes(randomness)
    digits = []
    for _ in range(20):
        number, digit = divmod(number, 36)
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def is_log_id(text: str) -> bool:
    """Tell whether `text` has the form that `new_log_id` makes."""
    return _LOG_ID.match(text) is not None


def record_id(log_id: str, index: int) -> str:
    """Name a record: `<log_id>-<index>`. The name of a decision's record is the decision id."""
    return f"{log_id}-{index}"


def parse_record_id(text: str) -> tuple[str, int]:
    """Split `<log_id>-<index>`.

    Raises `InvalidArgument` when `text` is not a record id.
    """
    log_id, dash, index = text.rpartition("-")
    number = index.isascii() and index.isdigit() and len(index) <= 19 and (index == "0" or index[0] != "0")
    if not dash or not is_log_id(log_id) or not number:
        raise InvalidArgument("DECISION_ID_INVALID", "A decision id looks like <log id>-<index>; copy it from the answer.")
    return log_id, int(index)
