"""docs/alerts.md: expressions over metrics that exist, which Prometheus accepts, which fire when they should and not else."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
import yaml
from docs.transcripts import ROOT
from parts import need_program

from munjigi.cli.main import cli
from munjigi.monitoring.catalogue import CATALOGUE

PAGE = (ROOT / "docs" / "alerts.md").read_text("utf-8")
METRICS = {metric.name: metric for metric in CATALOGUE}
PARTS = ("**It means:** ", "**Likely causes**\n\n* ", "**Do**\n\n1. ", "**Over** when ")
INSTANCE = 'instance="a"'


class Alert(NamedTuple):
    name: str
    severity: str
    wait: str  # as Prometheus writes it
    expression: str


def alerts() -> list[Alert]:
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        match = re.match(r"(\w+)\n\n(page|ticket), (at once|for (\w+))\n\n```promql\n(.+)\n```\n\n", section)
        assert match, section[:80]
        assert [section.count(part) for part in PARTS] == [1] * len(PARTS), match[1]
        found.append(Alert(match[1], match[2], match[4] or "0m", match[5]))
    return found


ALERTS = alerts()

# What happens, as Prometheus' own notation of series by the minute, and which alerts come of it. A condition holds for an hour.
HEALTHY = {
    "munjigi_worker_ready{%s}": "1x60",
    "munjigi_workers{%s}": "1x60",
    "munjigi_lease_lapses_total{%s}": "0x60",
    "munjigi_disk_level{%s}": "0x60",
    "munjigi_policy_rejected{%s}": "0x60",
    "munjigi_retention_failing{%s}": "0x60",
    "munjigi_key_set_problem{%s}": "0x60",
    'munjigi_follower_job_failing{%s,job="ship"}': "0x60",
    "munjigi_follower_heartbeat_timestamp_seconds{%s}": "0+60x60",
    "munjigi_policy_loaded_timestamp_seconds{%s}": "0x60",
    "munjigi_journal_records_total{%s}": "0+600x60",
    "munjigi_index_records_total{%s}": "0+600x60",
    'munjigi_journal_commits_total{%s,mode="thread"}': "0+60x60",
    "munjigi_journal_sync_seconds_total{%s}": "0+0.1x60",
    "munjigi_seal_checkpoint_timestamp_seconds{%s}": "0+60x60",
    'munjigi_witness_timestamp_seconds{%s,witness="w"}': "0+60x60",
    'munjigi_witness_failures_total{%s,witness="w",reason="WITNESS_AWAY"}': "0x60",
    'munjigi_witness_failures_total{%s,witness="w",reason="WITNESS_DIFFERS"}': "0x60",
    'munjigi_ship_pending_since_timestamp_seconds{%s,family="journal"}': "0x60",
    'munjigi_ship_backlog_records{%s,family="journal"}': "0x60",
    'munjigi_ship_dead_letters{%s,family="journal"}': "0x60",
    'munjigi_ship_records_total{%s,result="stored"}': "0+600x60",
    'munjigi_notices_waiting_since_timestamp_seconds{%s,channel="mail"}': "0x60",
    'munjigi_notices_given_up{%s,channel="mail"}': "0x60",
    "munjigi_ship_retries_total{%s}": "0x60",
    'munjigi_calls_total{%s,method="Check",reason="OK"}': "0+600x60",
    'munjigi_calls_total{%s,method="Check",reason="INTERNAL"}': "0x60",
    'munjigi_calls_total{%s,method="Check",reason="AUDIT_UNAVAILABLE"}': "0x60",
    'munjigi_calls_total{%s,method="SearchRecords",reason="DOCUMENT_ALTERED"}': "0x60",
    'munjigi_call_seconds_bucket{%s,method="Check",le="0.001"}': "0+600x60",
    'munjigi_call_seconds_bucket{%s,method="Check",le="0.5"}': "0+600x60",
    'munjigi_call_seconds_bucket{%s,method="Check",le="+Inf"}': "0+600x60",
    'munjigi_sign_in_failures_total{%s,reason="TOKEN_EXPIRED"}': "0+1x60",
    'munjigi_denials_counted_total{%s,tool="crm-desk",reason="NO_GRANT"}': "0x60",
    "munjigi_archive_waiting_segments{%s}": "1x60",
    'munjigi_tool_decisions_total{%s,tool="crm-desk",verdict="allow"}': "0+600x60",
    'munjigi_tool_decisions_total{%s,tool="crm-desk",verdict="deny"}': "0+60x60",
}
HAPPENINGS: dict[str, dict[str, str]] = {
    "MunjigiAway": {},
    "MunjigiNotServing": {"munjigi_worker_ready{%s}": "0x60"},
    "WorkerMissing": {"munjigi_workers{%s}": "2x60"},
    "LeaseRanOut": {"munjigi_lease_lapses_total{%s}": "0x50 1x10"},
    "RecordsNotWritable": {'munjigi_calls_total{%s,method="Check",reason="AUDIT_UNAVAILABLE"}': "0+1x60"},
    "JournalSyncSlow": {"munjigi_journal_sync_seconds_total{%s}": "0+6x60"},
    "CallsSlow": {'munjigi_call_seconds_bucket{%s,method="Check",le="0.001"}': "0+500x60"},
    "CallsFail": {'munjigi_calls_total{%s,method="Check",reason="INTERNAL"}': "0x50 1x10"},
    "DiskFilling": {"munjigi_disk_level{%s}": "1x60"},
    "DiskNearlyFull": {"munjigi_disk_level{%s}": "2x60"},
    "DiskFull": {"munjigi_disk_level{%s}": "3x60"},
    "FollowerSilent": {"munjigi_follower_heartbeat_timestamp_seconds{%s}": "0+60x50 3000x10"},
    "FollowerJobFails": {'munjigi_follower_job_failing{%s,job="ship"}': "1x60"},
    "IndexBehind": {"munjigi_index_records_total{%s}": "5x60"},
    "SealNotSigning": {"munjigi_seal_checkpoint_timestamp_seconds{%s}": "0+60x50 3000x10"},
    "WitnessRefuses": {'munjigi_witness_failures_total{%s,witness="w",reason="WITNESS_DIFFERS"}': "0x50 1x10"},
    "WitnessSilent": {
        'munjigi_witness_timestamp_seconds{%s,witness="w"}': "0+60x10 600x50",
        'munjigi_witness_failures_total{%s,witness="w",reason="WITNESS_AWAY"}': "0x10 0+1x50",
    },
    "ShippingBehind": {'munjigi_ship_pending_since_timestamp_seconds{%s,family="journal"}': "60x60"},
    "ShippingBacklogLarge": {'munjigi_ship_backlog_records{%s,family="journal"}': "2000000+10x60"},
    "ShippingRetries": {"munjigi_ship_retries_total{%s}": "0+200x60"},
    "DeadLetters": {'munjigi_ship_dead_letters{%s,family="journal"}': "1x60"},
    "NoticesWaiting": {'munjigi_notices_waiting_since_timestamp_seconds{%s,channel="mail"}': "60x60"},
    "NoticesGivenUp": {'munjigi_notices_given_up{%s,channel="mail"}': "1x60"},
    "RetentionFails": {"munjigi_retention_failing{%s}": "1x60"},
    "DocumentAltered": {'munjigi_calls_total{%s,method="SearchRecords",reason="DOCUMENT_ALTERED"}': "_x50 1x10"},
    "PolicyRejected": {"munjigi_policy_rejected{%s}": "1x60"},
    "PolicyStale": {"munjigi_policy_loaded_timestamp_seconds{%s}": "-8000000x60"},
    "KeySetNotRenewed": {"munjigi_key_set_problem{%s}": "1x60"},
    "SignInFailures": {'munjigi_sign_in_failures_total{%s,reason="TOKEN_EXPIRED"}': "0+120x60"},
    "LockoutsRepeat": {'munjigi_lockouts_total{%s,reason="TOKEN_SIGNATURE"}': "0+1x60"},
    "DenialFlood": {'munjigi_tool_decisions_total{%s,tool="crm-desk",verdict="deny"}': "0+6000x60"},
    "DenialsCounted": {'munjigi_denials_counted_total{%s,tool="crm-desk",reason="NO_GRANT"}': "0x50 5x10"},
    "ArchiveBehind": {"munjigi_archive_waiting_segments{%s}": "6x60"},
}


def test_each_condition_has_its_section_and_its_trial():
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names) >= 20
    assert set(names) == HAPPENINGS.keys()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_expression_names_only_metrics_and_labels_that_exist(alert: Alert):
    used = re.findall(r"(munjigi_\w+)(?:\{([^}]*)\})?", alert.expression)
    assert used
    for name, selector in used:
        metric = METRICS[name.removesuffix("_bucket") if name not in METRICS else name]
        assert set(re.findall(r"(\w+)!?[=~]", selector)) <= set(metric.labels), name


def test_every_metric_that_the_page_names_exists():
    for name in re.findall(r"munjigi_[a-z_]+", PAGE):
        assert name in METRICS or name.removesuffix("_bucket") in METRICS, name


def test_every_command_that_the_page_names_exists_with_its_options():
    commands = re.findall(r"`(munjigi (?!-)[^`]+)`", PAGE)
    assert len(commands) > 15
    for line in commands:
        command: click.Command = cli
        words = shlex.split(line)[1:]
        while words and isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, line
            command = found
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_operations_lead_here():
    assert "(alerts.md)" in (ROOT / "docs" / "operations.md").read_text("utf-8")


def test_prometheus_takes_the_expressions_and_each_fires_when_it_should_and_only_then(tmp_path: Path):
    need_program("promtool")
    rules = [{"alert": alert.name, "expr": alert.expression, "for": alert.wait} for alert in ALERTS]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "munjigi", "rules": rules}]}))
    run(["promtool", "check", "rules", "rules.yml"], tmp_path)
    trials = [trial("", HEALTHY), *(trial(name, HEALTHY | change) for name, change in HAPPENINGS.items() if change)]
    (tmp_path / "trials.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [*trials, trial("MunjigiAway", {})]})
    )
    run(["promtool", "test", "rules", "trials.yml"], tmp_path)


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def trial(expected: str, series: dict[str, str]) -> dict[str, Any]:
    """One world for an hour, in which one alert fires and no other."""
    return {
        "interval": "1m",
        "input_series": [{"series": name % INSTANCE, "values": values} for name, values in series.items()],
        # How many alerts of each name there are is asked as an expression, since a firing one carries its labels.
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "58m",
                "exp_samples": [{"labels": f'{{alertname="{expected}"}}', "value": 1}] if expected else [],
            }
        ],
    }
