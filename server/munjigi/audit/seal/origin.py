"""An installation's name, which every checkpoint bears. That of made-up people says so, so that no evidence of theirs passes for real."""

from __future__ import annotations

from typing import Final

from munjigi.kernel.ids import new_log_id

REAL: Final = "munjigi"
SYNTHETIC: Final = "munjigi-synthetic"


def new_origin(randomness: bytes, *, synthetic: bool) -> str:
    """Name a new installation. `randomness`: 13 bytes or more."""
    return f"{SYNTHETIC if synthetic else REAL}/{new_log_id(randomness)}"


def is_synthetic(origin: str) -> bool:
    """Tell whether a name, or that of a later generation, is that of a synthetic installation."""
    return origin.partition("/")[0] == SYNTHETIC
