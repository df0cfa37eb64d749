"""The double passes the suite too, or tests that use it prove nothing."""

from __future__ import annotations

import pytest
from audit.conformance_index import AuditIndexConformance

from doubles.index_memory import MemoryAuditIndex
from munjigi.audit.ports import AuditIndex


class TestMemoryAuditIndex(AuditIndexConformance):
    @pytest.fixture
    def index(self) -> AuditIndex:
        return MemoryAuditIndex()
