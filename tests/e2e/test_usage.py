"""The daemon's follower counts use: what was read and confirmed, once, however often it is killed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from pathlib import Path

from e2e_asking import question
from monitoring.page import eventually, total
from running import Daemon, Stubs, serving

from munjigi.app.files import StateFolder
from munjigi.app.state import read_state
from munjigi.app.usage import expected_logs, read_usage
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import Unavailable
from munjigi.kernel.review import Permission
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

NAME = Permission("crm.member.name", "read")
_PATIENCE = 120.0


def reads(daemon: Daemon, stubs: Stubs, count: int, *, confirmed: bool = True) -> None:
    """Ask and confirm, some times over."""
    metadata = daemon.credentials("cs.kim")
    for _ in range(count):
        answer = stubs.decision.Check(question(), metadata=metadata)
        assert answer.decision == pb.DECISION_ALLOW
        if confirmed:
            item = pb.ConfirmItem(decision_id=answer.decision_id, outcome=pb.READ_OUTCOME_READ, row_count=1)
            (result,) = stubs.decision.ConfirmRead(pb.ConfirmReadRequest(items=[item]), metadata=metadata).results
            assert result.record.index > 0


def counted(state: Path) -> dict[Permission, int]:
    """What is counted of all grants."""
    try:
        store = read_usage(StateFolder(state))
    except Unavailable:
        return {}
    with closing(store):
        return {use.permission: use.uses for uses in store.of(_grants(state)).values() for use in uses}


def _grants(state: Path) -> list[str]:
    with closing(read_state(StateFolder(state))) as store:
        return [grant.grant_id for grant in store.load().grants if grant.employee.subject == "cs.kim"]


def until_counted(state: Path, wanted: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while counted(state).get(NAME) != wanted:
        assert time.monotonic() < deadline, counted(state)
        time.sleep(0.2)


def test_what_is_confirmed_is_counted_once_over_kills_and_restarts(tmp_path: Path):
    state = tmp_path / "var"
    with serving(state) as daemon, daemon.channel() as channel:
        stubs = Stubs(channel)
        reads(daemon, stubs, 3)
        until_counted(state, 3)
        for number in range(3):
            os.kill(daemon.children()["follower"], signal.SIGKILL)
            reads(daemon, stubs, 2)
            reads(daemon, stubs, 1, confirmed=False)
            until_counted(state, 5 + 2 * number)
    with serving(state) as daemon, daemon.channel() as channel:
        reads(daemon, Stubs(channel), 1)
        until_counted(state, 10)
        eventually(daemon, lambda page: total(page, "munjigi_usage_records_total") > 0, "what is counted is counted")
        eventually(
            daemon,
            lambda page: total(page, "munjigi_usage_complete_timestamp_seconds") >= time.time() - 600,
            "how far it is counted is told",
        )
        folder = StateFolder(state)
        with closing(read_usage(folder)) as store:
            marks = store.marks()
            assert {mark.log_id for mark in marks} == expected_logs(folder)
            assert all(mark.complete_to >= time.time_ns() - 600 * SECOND for mark in marks)
            assert store.gaps() == ()
