"""Two real workers hold limits and locks together, and one of them does without the other what the identity provider asks."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from at_workers import at_workers
from e2e_asking import question, reason_of
from running import ROOT, Daemon, Stubs, serving

from munjigi.rpc.lockouts import FAILURES_PER_PERIOD

RATE = 40
SECONDS = 3.0
AT_ONCE = 8


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Two workers, and a tool that may ask RATE times a second."""
    folder = tmp_path_factory.mktemp("together")
    home = Path(shutil.copytree(ROOT / "policies", folder / "policies"))
    tools = (home / "tools.toml").read_text()
    assert tools.index("[tools.crm-desk]") < tools.index("checks_per_second = 0") < tools.index("[tools.campaign-tool]")
    (home / "tools.toml").write_text(tools.replace("checks_per_second = 0", f"checks_per_second = {RATE}", 1))
    with serving(folder / "var", "--workers", "2", MUNJIGI_POLICY_HOME=str(home), MUNJIGI_POLICY_WATCH_SECONDS="0") as daemon:
        yield daemon


class Passed(NamedTuple):
    """How many questions were let through, how many one bucket would have let through, and the seconds that it took."""

    passed: int
    ideal: float
    took: float


def passed_at(daemon: Daemon, stubs: list[Stubs]) -> Passed:
    """Ask each without a pause, several questions at a time: a busy machine answers slowly, and the limit has to be met."""
    here, passed, ideal, level = daemon.credentials("cs.kim"), 0, 0.0, 0.0
    began = before = time.monotonic()
    while before - began < SECONDS:
        waiting = [each.decision.Check.future(question(), metadata=here, timeout=60) for each in stubs for _ in range(AT_ONCE)]
        passed += sum(map(_allowed, waiting))
        now = time.monotonic()
        level = min(
            RATE, level + RATE * (now - before)
        )  # a bucket is a second deep: what nobody takes while the machine is held up is lost
        taken = min(level, len(waiting))
        ideal, level, before = ideal + taken, level - taken, now
    return Passed(passed, ideal, before - began)


def has_whole_limit(daemon: Daemon, stubs: list[Stubs]) -> None:
    """Never more than the limit, and the whole of it at one time of three: a worker that is held up takes what passed meanwhile as if it were now."""
    tries = []
    while not tries or tries[-1].passed < 0.7 * tries[-1].ideal:  # half of it would be a share
        assert len(tries) < 3, tries
        tries.append(passed_at(daemon, stubs))
        assert tries[-1].passed <= RATE * tries[-1].took + RATE, tries


def _allowed(answer: grpc.Future) -> bool:
    try:
        answer.result()
    except grpc.RpcError as error:
        if reason_of(error) != (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOOL_RATE_EXCEEDED"):
            raise
        return False
    return True


def test_a_tool_has_its_whole_limit_at_one_worker_and_no_more_at_both(limited: Daemon) -> None:
    with at_workers(limited, 2) as both:
        one, two = both.values()
        for asked in ([one], [one, two], [two]):
            has_whole_limit(limited, asked)


def test_failures_at_both_workers_add_up_and_the_lock_holds_at_both(limited: Daemon) -> None:
    time.sleep(1)
    good, tool = limited.credentials("cs.lee")
    bad = (("authorization", good[1][:-4] + "AAAA"), tool)

    def ask(stubs: Stubs) -> str:
        with pytest.raises(grpc.RpcError) as refused:
            stubs.decision.Check(question(), metadata=bad, timeout=20)
        return reason_of(refused.value)[1]

    with at_workers(limited, 2) as both:
        one, two = both.values()
        reasons = [ask((one, two)[turn % 2]) for turn in range(FAILURES_PER_PERIOD + 1)]
        assert set(reasons) == {"TOKEN_SIGNATURE"} or set(reasons) == {"TOKEN_INVALID"}, reasons
        assert {ask(one), ask(two)} == {"TOO_MANY_FAILURES"}
    lines = [line for line in limited.log if "Traceback" in line]
    assert lines == []


def test_a_limit_is_not_given_twice_when_a_worker_is_killed(limited: Daemon) -> None:
    time.sleep(1)  # so long a bucket takes to fill: connections are made by questions
    with at_workers(limited, 2) as both:
        one, two = both.values()
        has_whole_limit(limited, [one, two])
    os.kill(limited.workers()[1], signal.SIGKILL)
    limited.wait_for("a worker ended and is started again")
    limited.wait_for('"event": "serving"')
    time.sleep(1)
    with at_workers(limited, 2) as both:
        found = passed_at(limited, list(both.values()))
        assert found.passed <= RATE * found.took + RATE, found
