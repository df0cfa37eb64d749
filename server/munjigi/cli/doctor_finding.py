"""What a check of the doctor found."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """What one check found. `skip`: it does not apply here."""

    check: str
    result: Literal["ok", "warn", "fail", "skip"]
    found: str
    todo: str = ""
