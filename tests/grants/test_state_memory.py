"""The double passes the suite too, or tests that use it prove nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from grants.conformance_state import StateStoreConformance

from doubles.state_memory import MemoryStateStore
from munjigi.grants.ports import StateStore


class TestMemoryStateStore(StateStoreConformance):
    @pytest.fixture
    def open_store(self) -> Callable[[], StateStore]:
        return MemoryStateStore
