"""Imported by every Python process that has this folder on its path, first of all: its clock is as far off as a file says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

_SHIFT = os.environ["TEST_CLOCK_SHIFT"]
_ns: Callable[[], int] = time.time_ns


def _shift() -> int:
    with open(_SHIFT) as file:  # noqa: PTH123  # before anything is imported
        return int(file.read())


time.time_ns = lambda: _ns() + _shift() * 10**9
time.time = lambda: time.time_ns() / 1e9
