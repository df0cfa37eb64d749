"""The machine's clock jumps by a year and more: tokens and grants are judged by the time that it says, and each time is recorded."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from e2e_asking import question, reason_of
from e2e_load import journaled
from running import Stubs
from shifted import DAY, shifted

from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


def test_p3_no_right_outlives_its_period_when_the_clock_jumps(tmp_path: Path) -> None:
    with shifted(tmp_path / "var") as (daemon, shift), daemon.channel() as channel:
        stub = Stubs(channel).decision

        def ask() -> tuple[str, str]:
            answer = stub.Check(question(), metadata=shift.credentials(daemon))
            return pb.Decision.Name(answer.decision), answer.reason

        today = shift.credentials(daemon)
        assert ask() == ("DECISION_ALLOW", "GRANTED")
        shift.to(-400 * DAY)  # before the grant began, in the same minute of the same question
        assert ask() == ("DECISION_DENY", "GRANT_NOT_STARTED")
        with pytest.raises(grpc.RpcError) as early:
            stub.Check(question(), metadata=today)
        assert reason_of(early.value)[0] is grpc.StatusCode.UNAUTHENTICATED
        shift.to(0)
        assert ask() == ("DECISION_ALLOW", "GRANTED")
        shift.to(400 * DAY)
        assert ask()[0] == "DECISION_DENY"
        with pytest.raises(grpc.RpcError) as late:
            stub.Check(question(), metadata=today)
        assert reason_of(late.value)[0] is grpc.StatusCode.UNAUTHENTICATED
        shift.to(0)
        assert ask() == ("DECISION_ALLOW", "GRANTED")
    found = sorted(journaled(tmp_path / "var").values(), key=lambda each: each.index)
    assert [(each.decision, each.clock_stepped) for each in found] == [
        ("ALLOW", False),
        ("DENY", True),
        ("ALLOW", False),
        ("DENY", False),
        ("ALLOW", True),
    ]
    times = [each.time for each in found]
    assert times == sorted(times)
