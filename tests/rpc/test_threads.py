"""Auditors who verify or search at length must not keep revocations from a thread (promise P8)."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from munjigi.audit.seal.check import SealCheck
from munjigi.rpc.audit_records import Conditions
from munjigi.rpc.audits import AuditService
from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb


class Slow:
    """A trail and an index that take their time."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.entered = threading.Event()

    alone = True

    def durable(self) -> dict[str, int]:
        return {}

    def verify(self, log_id: str) -> tuple[SealCheck, list[Any], list[Any]]:
        self.entered.set()
        assert self.go.wait(30)
        return SealCheck("", 0, {}), [], []

    def search(self, *_: Any) -> Any:
        self.entered.set()
        assert self.go.wait(30)
        return SimpleNamespace(records=[], next_page_token="")


@pytest.mark.parametrize("name", ["verify_journal", "search_records"])
def test_p8_long_readings_leave_a_thread_for_what_follows_grants(name: str) -> None:
    async def run() -> None:
        slow = Slow()
        desk: Any = SimpleNamespace(authorize=lambda *_, **__: "")
        nothing: Any = SimpleNamespace()
        service = AuditService(desk, slow, slow, Conditions(nothing, nothing))  # type: ignore[arg-type]
        request = pb.VerifyJournalRequest() if name == "verify_journal" else pb.SearchRecordsRequest()
        call: Any = SimpleNamespace()
        readers = [asyncio.ensure_future(getattr(service, name)(call, request)) for _ in range(40)]
        try:
            while not slow.entered.is_set():
                await asyncio.sleep(0.01)
            assert await asyncio.wait_for(asyncio.to_thread(lambda: "followed"), 5) == "followed"
        finally:
            slow.go.set()
            await asyncio.gather(*readers)

    asyncio.run(run())
