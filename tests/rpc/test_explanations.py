from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from munjigi.kernel.errors import NotFound, PermissionDenied
from munjigi.rpc.explanations import ExplanationService
from munjigi_client._proto.munjigi.v1 import explain_pb2

REMOVED = NotFound("RECORD_REMOVED", "gone")


@pytest.mark.parametrize("found", [None, REMOVED])
@pytest.mark.parametrize("may", [False, True])
def test_p5_who_may_not_read_the_trail_does_not_learn_what_retention_removed(found: NotFound | None, may: bool):
    async def record(*_: object) -> None:
        if found is not None:
            raise found

    def authorize(*_: object, **__: object) -> str:
        if not may:
            raise PermissionDenied("NO_GRANT", "no")
        return ""

    desk: Any = SimpleNamespace(authorize=authorize)
    past: Any = SimpleNamespace(record=record)
    service = ExplanationService(desk, SimpleNamespace(), past, lambda *_: None)
    call: Any = SimpleNamespace(caller=SimpleNamespace(employee=None))
    with pytest.raises((NotFound, PermissionDenied)) as refused:
        asyncio.run(service.explain(call, explain_pb2.ExplainRequest(decision_id=f"{'a' * 20}-1")))
    expected = ("RECORD_REMOVED" if found is not None else "DECISION_NOT_FOUND") if may else "NO_GRANT"
    assert refused.value.reason == expected
