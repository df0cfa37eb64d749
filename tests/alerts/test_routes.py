"""Who is told: the shipped routes and inhibitions in a real Alertmanager, and a receiver that is away at first."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alerts.shipped import ALERTS, FOLDER
from alerts.watching import SLACK, Watch, until, watching
from parts import need_program

SEVERITY = {alert.name: alert.severity for alert in ALERTS}
OWNER = {alert.name: alert.owner for alert in ALERTS}


def receivers(alert: Any) -> list[str]:
    """Return who must be told: every page reaches the control center, and its owner beside it."""
    told = [f"{alert.severity}-{alert.owner}"]
    return told if alert.severity == "ticket" or alert.owner == "control-center" else ["page-control-center", *told]


def test_every_alert_has_the_receivers_of_its_severity_and_owner():
    need_program("amtool")
    for alert in ALERTS:
        labels = [f"alertname={alert.name}", f"severity={alert.severity}", f"owner={alert.owner}", "job=munjigi"]
        command = ["amtool", "config", "routes", "test", f"--config.file={FOLDER}/alertmanager.yml", *labels]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip().split(",") == receivers(alert), alert.name


def test_what_has_no_label_of_ours_reaches_somebody():
    need_program("amtool")
    command = ["amtool", "config", "routes", "test", f"--config.file={FOLDER}/alertmanager.yml", "alertname=Other"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "ticket-operators"


def test_the_shipped_configuration_is_whole():
    for program, *words in (
        ("amtool", "check-config", "alertmanager.yml"),
        ("promtool", "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"),
        ("promtool", "check", "rules", "--lint=all", "--lint-fatal", *map(str, FOLDER.glob("rules/*.yml"))),
    ):
        need_program(program)
        done = subprocess.run([program, *words], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Only an Alertmanager: its receiver is away, and what Prometheus would say is said by the tests."""
    with watching(tmp_path_factory.mktemp("trial"), "127.0.0.1:9", "prometheus-alertmanager") as running:
        until(lambda: ready(running), 30, running.trace)
        yield running


def ready(watch: Watch) -> bool:
    try:
        with urllib.request.urlopen(f"{watch.alertmanager}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def say(watch: Watch, name: str, *, over: bool = False, **labels: str) -> None:
    """Tell Alertmanager of an alert, as Prometheus does."""
    now = datetime.now(UTC)
    told = {
        "labels": {"alertname": name, "severity": SEVERITY[name], "owner": OWNER[name], "job": "munjigi", **labels},
        "annotations": {"summary": name, "runbook_url": f"docs/alerts.md#{name.lower()}"},
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now + timedelta(minutes=-1 if over else 10)).isoformat(),
    }
    request = urllib.request.Request(
        f"{watch.alertmanager}/api/v2/alerts", json.dumps([told]).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_a_receiver_that_is_away_is_told_when_it_is_back_and_a_cause_silences_what_follows_of_it(watch: Watch):
    say(watch, "MunjigiAway", instance="a")
    say(watch, "JournalSyncSlow", instance="a")  # trouble of the one that is away
    say(watch, "AvailabilityBurnsFast", objective="availability")
    say(watch, "AvailabilityBurns", objective="availability")
    say(watch, "JournalSyncSlow", instance="b")
    say(watch, "WitnessRefuses", instance="a", witness="w")  # speaks of tampering, and is told all the same
    log = watch.folder / "prometheus-alertmanager.log"
    until(lambda: "connection refused" in log.read_text("utf-8"), SLACK, watch.trace)
    watch.start("receiver.py")
    for alert in (alert for alert in ALERTS if alert.name in ("MunjigiAway", "JournalSyncSlow", "WitnessRefuses")):
        for receiver in receivers(alert):
            watch.wait_for(alert.name, "firing", receiver.replace("-", "/", 1), 2 * SLACK)
    told = [(each["alert"], each["labels"].get("instance", "")) for each in watch.got()]
    assert ("JournalSyncSlow", "a") not in told
    assert ("AvailabilityBurns", "") not in told
    # The cause is mended, and what remains is told.
    say(watch, "MunjigiAway", instance="a", over=True)
    watch.wait_for("MunjigiAway", "resolved", "page/operators", SLACK)
    until(
        lambda: ("JournalSyncSlow", "a") in [(each["alert"], each["labels"].get("instance")) for each in watch.got()],
        SLACK,
        watch.trace,
    )


def test_the_receiver_refuses_what_it_cannot_read(watch: Watch):
    if "receiver.py" not in watch.processes:
        watch.start("receiver.py")
    address = f"http://127.0.0.1:{watch.ports[9095]}/page/operators"
    for broken in (
        b"{",
        b"[]",
        b'{"alerts": [{}]}',
        b'{"alerts": [{"labels": {"alertname": "x"}, "status": "firing", "annotations": [], "startsAt": 1}]}',
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(address, broken), timeout=5)
        assert refused.value.code == 400
        refused.value.close()
