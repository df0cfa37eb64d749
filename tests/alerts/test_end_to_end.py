"""From a fault to the webhook and back: real daemon, Prometheus, Alertmanager and receiver, by what deploy/prometheus ships.

Waits and intervals are divided by sixty, as its README says; thresholds, expressions, routes and groups are the shipped ones.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from alerts.watching import Watch, comes_and_goes, watching
from running import ROOT, Daemon

from munjigi.cli.main import run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("home") / "policies"
    shutil.copytree(ROOT / "policies", copy)
    return copy


@pytest.fixture(scope="module")
def daemon(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    running = Daemon(tmp_path_factory.mktemp("watched") / "var", policy_home=home).start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def watch(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with watching(tmp_path_factory.mktemp("trial"), daemon.http_address) as running:
        running.settle()
        yield running


def test_nothing_is_wrong_with_a_daemon_that_has_just_started(watch: Watch):
    watch.prometheus.wait_for('munjigi_worker_ready{job="munjigi"} == 1')
    assert {labels["alertname"] for labels, _ in watch.prometheus.query("ALERTS")} == {"Watchdog"}


def test_a_follower_that_hangs_is_everybodys_page(watch: Watch, daemon: Daemon):
    pid = daemon.children()["follower"]
    comes_and_goes(
        watch,
        "MunjigiAway",
        "page/control-center",
        "page/operators",
        begin=lambda: os.kill(pid, signal.SIGSTOP),
        end=lambda: os.kill(pid, signal.SIGCONT),
    )


def test_an_emergency_is_the_control_centers_page_at_once(watch: Watch, daemon: Daemon, capsys, monkeypatch):
    monkeypatch.setenv("MUNJIGI_STATE_DIR", str(daemon.state_dir))
    monkeypatch.setenv("MUNJIGI_GRPC_ADDRESS", daemon.grpc_address)

    def munjigi(line: str) -> str:
        code = run(shlex.split(line))
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return str(printed.out)

    munjigi("grant revoke g.fraud.choi.fraud_analyst --reason 'moves to another desk' --as cs.lee")
    taken: list[str] = []

    def take() -> None:
        said = munjigi(
            "break-glass fraud_analyst --purpose fraud_investigation --hours 1 --case FR-2026-0042"
            " --reason 'the lines are down since noon' --as fraud.choi --output json"
        )
        taken.extend(re.findall(r'"grant_id": "([^"]+)"', said))

    comes_and_goes(
        watch,
        "BreakGlassUsed",
        "page/control-center",
        begin=take,
        end=lambda: munjigi(f"grant revoke {taken[0]} --reason 'the lines are up again' --as dpo.yoon"),
    )


def test_a_broken_policy_is_the_security_teams_ticket_also_when_alertmanager_is_away_at_first(watch: Watch, home: Path):
    policy = home / "policy.csv"
    good = policy.read_text("utf-8")

    def break_it() -> None:
        watch.stop("prometheus-alertmanager")
        policy.write_text(good.replace("partial", "partail"), "utf-8")
        try:
            watch.prometheus.wait_for('ALERTS{alertname="PolicyRejected"}')
        finally:
            watch.start("prometheus-alertmanager")

    def mend_it() -> None:
        policy.write_text(good, "utf-8")
        watch.prometheus.wait_for("munjigi_policy_rejected == 0")

    comes_and_goes(watch, "PolicyRejected", "ticket/security-team", begin=break_it, end=mend_it)
