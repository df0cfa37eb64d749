"""What must survive a restart: allowed reads, their confirmations, and who may still give them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from e2e_asking import SERIAL, question
from running import Daemon, Stubs

from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


def confirm(daemon: Daemon, decision_id: str) -> pb.ConfirmResult:
    item = pb.ConfirmItem(decision_id=decision_id, row_count=1, member_ids=[SERIAL], outcome=pb.READ_OUTCOME_READ)
    with daemon.channel() as channel:
        stub = Stubs(channel).decision
        return stub.ConfirmRead(pb.ConfirmReadRequest(items=[item]), metadata=daemon.credentials("cs.kim")).results[0]


def check(daemon: Daemon) -> str:
    with daemon.channel() as channel:
        return Stubs(channel).decision.Check(question(), metadata=daemon.credentials("cs.kim")).decision_id


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_read_that_was_allowed_before_a_restart_is_confirmed_after_it_once(tmp_path: Path, number: int) -> None:
    daemon = Daemon(tmp_path / "var").start()
    confirmed, open_still = check(daemon), check(daemon)
    first = confirm(daemon, confirmed)
    children = daemon.children()
    daemon.stop(number)
    again = Daemon(tmp_path / "var")
    if number == signal.SIGKILL:
        import psutil

        psutil.wait_procs([psutil.Process(pid) for pid in children.values() if psutil.pid_exists(pid)], timeout=20)
    again.start()
    try:
        assert confirm(again, confirmed).record == first.record
        late = confirm(again, open_still)
        assert late.record.index > first.record.index
        assert confirm(again, open_still).record == late.record
    finally:
        assert again.stop() == 0
