"""docs/alerts.md: sections with all their parts, expressions over metrics that exist, commands that exist; the rules are made of it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from alerts.shipped import ALERTS, FOLDER, GENERATOR, PAGE
from docs.named import has_command
from docs.transcripts import ROOT

from munjigi.monitoring.catalogue import CATALOGUE

METRICS = {metric.name: metric for metric in CATALOGUE}
RULES = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in sorted((FOLDER / "rules").glob("*.yml"))}
EXPRESSIONS = {
    f"{file} {rule.get('record') or rule['alert']} {rule.get('labels', {}).get('objective', '')}": rule["expr"]
    for file, content in RULES.items()
    for group in content["groups"]
    for rule in group["rules"]
}
RECORDED = {
    rule["record"] for content in RULES.values() for group in content["groups"] for rule in group["rules"] if "record" in rule
}
PARTS = ("**It means:** ", "**Likely causes**\n\n* ", "**Do**\n\n1. ", "**Over** when ")
HISTOGRAMS = re.compile(r"_(bucket|count|sum)\Z")
NAME = re.compile(r"[a-z_]*:?munjigi[:_]\w[\w:]*")


def metric_of(name: str):
    """Return the metric that a series' name is of."""
    return METRICS.get(name) or METRICS[HISTOGRAMS.sub("", name)]


def test_each_section_has_all_its_parts():
    for section in re.findall(r"^## \w+\n.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL):
        assert [section.count(part) for part in PARTS[:3]] == [1] * 3, section[:40]
        assert section.count("**Over** ") == 1, section[:40]


@pytest.mark.parametrize("rule", EXPRESSIONS)
def test_an_expression_names_only_metrics_and_labels_that_exist(rule: str):
    expression = EXPRESSIONS[rule]
    used = re.findall(rf"({NAME.pattern})(?:\{{([^}}]*)\}})?", re.sub(r'"[^"]*"', '""', expression))
    assert used or rule.partition(" ")[2].startswith(("munjigi:objective", "Watchdog", "ScrapeHeavy"))
    for name, selector in used:
        if ":" in name:
            assert name in RECORDED
            continue
        metric = metric_of(name)
        histogram = {"le"} if metric.kind == "histogram" else set()
        assert set(re.findall(r"(\w+)\s*(?:!=|=~|=|!~)", selector)) <= {*metric.labels, *histogram, "job", "instance"}, name


def test_an_expression_groups_by_labels_that_are_there():
    """What is summed by a label that its metric lacks is summed over everything, and nobody is told."""
    for rule, expression in EXPRESSIONS.items():
        for labels, inner in re.findall(r"by \(([^)]*)\) \((.*)", expression):
            found = NAME.search(inner)
            if found is not None and ":" not in found[0]:
                known = {*metric_of(found[0]).labels, "job", "instance", "le"}
                assert {each.strip() for each in labels.split(",")} <= known, rule


def test_recorded_names_say_level_metric_and_operations():
    for name in RECORDED:
        level, metric, operations = name.split(":")
        assert level == "munjigi" or set(level.split("_")) <= {
            "job",
            "instance",
            "verdict",
            "reason",
            "class",
            "purpose",
            "tool",
            "method",
        }
        assert metric
        assert re.search(r"(rate5m|ratio\w*|increase1h)\Z", operations), name


def test_a_promise_is_broken_by_reasons_that_calls_end_with():
    reasons = re.search(r'reason=~"([A-Z_|]+)"', (FOLDER / "rules" / "munjigi-objectives.yml").read_text("utf-8"))
    listed = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert reasons is not None
    for reason in reasons[1].split("|"):
        assert reason == "INTERNAL" or f"| `{reason}` | UNAVAILABLE |" in listed, reason
        assert f"`{reason}`" in PAGE.partition("## MunjigiAway")[0], reason


def test_every_metric_that_the_page_names_exists():
    for name in re.findall(NAME, PAGE):
        assert name in RECORDED if ":" in name else metric_of(name), name


def test_every_alert_that_a_section_sends_to_is_there():
    names = {alert.name for alert in ALERTS}
    for name in re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", PAGE):
        assert name in names | {"CheckStream", "BatchCheck"}, name


def test_every_command_that_the_page_names_exists_with_its_options():
    commands = re.findall(r"`(munjigi (?!-)[^`]+)`", PAGE)
    assert len(commands) > 15
    for line in commands:
        has_command(line)


def test_operations_lead_here():
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert "(alerts.md)" in text
    assert "(../deploy/prometheus/README.md)" in text


def test_the_rules_are_what_the_page_says():
    script = [sys.executable, str(FOLDER / "generate.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_each_rule_has_what_a_receiver_needs():
    (group,) = RULES["munjigi-alerts.yml"]["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [alert.name for alert in ALERTS]
    anchors = {heading.lower() for heading in re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)}
    for rule in group["rules"]:
        assert rule["labels"].keys() == {"severity", "owner"}
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert len(rule["annotations"]["summary"]) < 300
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page == "docs/alerts.md"
        assert anchor in anchors


@pytest.mark.parametrize(
    "broken",
    [
        "## Nameless\n\npage, for 2m\n\n```promql\nup\n```\n\n**It means:** x.\n\n**Likely causes**\n",
        "## Nobodys\n\npage to nobody, at once\n\n```promql\nup\n```\n\n**It means:** x.\n\n**Likely causes**\n",
        "## Empty\n\nticket to operators, at once\n\n**It means:** x.\n\n**Likely causes**\n",
    ],
)
def test_a_section_that_lacks_a_part_is_refused(broken: str):
    with pytest.raises(ValueError, match=broken.split()[1]):
        GENERATOR.alerts(broken)


def test_faster_divides_waits_and_windows_and_no_thresholds():
    given = (
        "expr: increase(x[10m]) > 600 unless y offset 15m",
        "for: 2m",
        "scrape_interval: 15s",
        "repeat_interval: 1d",
        "group_wait: 0s",
    )
    made = (
        "expr: increase(x[10000ms]) > 600 unless y offset 15000ms",
        "for: 2000ms",
        "scrape_interval: 2000ms",
        "repeat_interval: 1440000ms",
        "group_wait: 1ms",
    )
    assert GENERATOR.faster("\n".join(given), 60).splitlines() == list(made)
    assert GENERATOR.faster(given[0], 1) == given[0]
