"""Dashboards say what they show, ask for what exists, name no fixed server, and lead to the records."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from dashboards.support import DASHBOARDS, FOLDER, PANELS, SOURCE, Shipped
from docs.named import has_command

from munjigi.app.config import SETTINGS
from munjigi.audit.schema.catalogue import EVENTS
from munjigi.audit.schema.ecs import mappings
from munjigi.monitoring.catalogue import CATALOGUE
from munjigi.reports.units import shown

PURPOSES = {"overview", "access", "rights", "reviews", "pipeline", "downloads", "service", "records"}
METRICS = {metric.name: metric for metric in CATALOGUE}
OTHERS = {"ALERTS": {"alertstate", "severity", "owner"}}  # what Prometheus itself has, with the labels of deploy/prometheus
GRAFANAS = re.compile(r"\$(?:\{[^}]*\}|\w+)")
PARTS = ("_bucket", "_sum", "_count")
UNITS = {"short", "cps", "percentunit", "s", "bytes", "Bps"}
NO_RECORD = "No record stands behind this"


def each(kind: str = "") -> pytest.MarkDecorator:
    chosen = [panel for panel in PANELS if not kind or panel.prometheus == (kind == "prometheus")]
    return pytest.mark.parametrize("panel", chosen, ids=lambda panel: panel.name)


def fields_of(properties: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, content in properties.items():
        yield from fields_of(content["properties"], f"{before}{name}.") if "properties" in content else [f"{before}{name}"]


FIELDS = set(fields_of(mappings()["properties"]))  # type: ignore[arg-type]


def test_each_dashboard_has_its_file_and_its_own_uid_and_title():
    assert {page["uid"] for page in DASHBOARDS} == {f"munjigi-{name}" for name in PURPOSES}
    assert len({page["title"] for page in DASHBOARDS}) == len(DASHBOARDS) == len(PURPOSES)
    assert {path.stem for path in FOLDER.iterdir()} == {page["uid"] for page in DASHBOARDS}
    assert all(page["description"] for page in DASHBOARDS)
    assert len(PANELS) > 60


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page["uid"])
def test_servers_hosts_and_interval_are_chosen_by_variables(page: dict[str, Any]):
    variables = {variable["name"]: variable for variable in page["templating"]["list"]}
    assert {name: variables[name]["type"] for name in ("prometheus", "elasticsearch")} == dict.fromkeys(
        ("prometheus", "elasticsearch"), "datasource"
    )
    assert variables["interval"]["type"] == "interval"
    assert variables["interval"]["auto"]
    assert variables["instance"]["query"]["query"].startswith("label_values(munjigi_")
    for source in sources(page):
        assert source in ({"type": kind, "uid": f"${{{kind}}}"} for kind in ("prometheus", "elasticsearch")), source


def sources(content: Any) -> Iterator[Any]:
    if isinstance(content, dict):
        for name, value in content.items():
            if name == "datasource":
                yield value
            else:
                yield from sources(value)
    elif isinstance(content, list):
        for value in content:
            yield from sources(value)


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page["uid"])
def test_panels_neither_overlap_nor_hang_over(page: dict[str, Any]):
    taken: Counter[tuple[int, int]] = Counter()
    for panel in page["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24, panel["title"]
        taken.update(
            (x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
        )
    assert max(taken.values()) == 1
    numbers = [panel["id"] for panel in page["panels"]]
    titles = [panel["title"] for panel in page["panels"] if panel["type"] != "row"]
    assert len(set(numbers)) == len(numbers)
    assert len(set(titles)) == len(titles)


@each()
def test_a_panel_has_title_description_unit_and_legend(panel: Shipped):
    assert panel.panel["title"]
    assert len(panel.panel["description"]) > 10
    assert panel.panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert shown(1.5, panel.panel["fieldConfig"]["defaults"]["unit"])
    if panel.over_time:
        assert panel.panel["options"]["legend"]["showLegend"]
        assert panel.panel["interval"] == "$interval"
    if panel.prometheus:
        assert all(target["legendFormat"] for target in panel.targets)
    else:
        assert all(target["metrics"] and target["timeField"] == "@timestamp" for target in panel.targets)


@each("prometheus")
def test_an_expression_names_only_metrics_and_labels_that_exist(panel: Shipped):
    for target in panel.targets:
        expression = target["expr"]
        labels = {"instance", "le"}
        used = re.findall(r"\b(munjigi_\w+|ALERTS)\b(?:\{([^}]*)\})?", expression)
        assert used
        for name, selector in used:
            base = next((name.removesuffix(part) for part in PARTS if name.removesuffix(part) in METRICS), name)
            known = OTHERS.get(name) or set(METRICS[base].labels)
            labels |= known
            assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) <= known | {"instance"}, expression
            assert 'instance=~"$instance"' in selector, expression
        grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.split(r",\s*", group)}
        assert grouped <= labels, expression
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert named <= (grouped or labels), expression


@each("prometheus")
def test_a_rate_is_taken_over_the_interval_that_fits(panel: Shipped):
    """Over `$__rate_interval` where it is drawn, over the whole time where it is one number."""
    for target in panel.targets:
        assert target["range"] == panel.over_time == (not target["instant"])
        windows = re.findall(r"\[([^\]]*)\]", target["expr"])
        assert set(windows) <= {"$__rate_interval" if panel.over_time else "$__range"}, target["expr"]
        functions = re.findall(r"\b(rate|increase|changes)\(", target["expr"])
        assert len(functions) == len(windows)
        for name in re.findall(r"\b(munjigi_\w+_(?:total|bucket))\b(?!\{[^}]*\}\[)", target["expr"]):
            pytest.fail(f"the counter {name} is shown without a rate")


@each("prometheus")
def test_what_is_empty_while_all_is_well_says_so_and_shows_a_zero(panel: Shipped):
    if panel.quiet:
        assert any("vector(0)" in target["expr"] for target in panel.targets)


@each("elasticsearch")
def test_a_question_names_only_fields_that_records_have(panel: Shipped):
    for target in panel.targets:
        named = {name for name in re.findall(r"(?<![\w.$])([a-z_@]+(?:\.[a-z_]+)*):", target["query"]) if "." in name}
        counted = {each["field"] for each in [*target["bucketAggs"], *target["metrics"]] if "field" in each}
        columns = {
            name
            for each in panel.panel.get("transformations", [])
            if each["id"] == "filterFieldsByName"
            for name in each["options"]["include"]["names"]
        }
        assert named | counted | columns
        assert named | counted | columns <= FIELDS | {"@timestamp"} or "$query" in target["query"]
        assert counted | columns <= FIELDS | {"@timestamp"}
        for event in re.findall(r"event\.action:([a-z_.]+)(?!\*)\b", target["query"]):
            assert event in {each.name for each in EVENTS}, event


@each()
def test_a_panel_leads_to_the_records_behind_it(panel: Shipped):
    links = panel.panel["fieldConfig"]["defaults"].get("links", [])
    commands = re.findall(r"`(munjigi [^`]+)`", panel.panel["description"])
    listed = any(metric["type"] == "raw_data" for target in panel.targets for metric in target.get("metrics", []))
    assert links or listed or commands, "no link, no command"
    assert links or listed or NO_RECORD in panel.panel["description"] or any("munjigi" in each for each in commands)
    for line in commands:
        has_command(line)
    uids = {page["uid"]: {variable["name"] for variable in page["templating"]["list"]} for page in DASHBOARDS}
    for link in links:
        where = urlsplit(link["url"])
        uid = where.path.removeprefix("/d/")
        assert "${__url_time_range}" in link["url"]
        asked = {name.removeprefix("var-"): value for name, value in parse_qs(where.query).items() if name.startswith("var-")}
        assert asked.keys() <= uids[uid]
        for value in asked["query"]:
            lucene = unquote(value)
            assert set(re.findall(r"(?<![\w.{])([a-z_]+(?:\.[a-z_]+)+):", lucene)) <= FIELDS, lucene
            labels = set(re.findall(r"\$\{__field\.labels\.(\w+)\}", lucene))
            shown = {label for target in panel.targets for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))}
            assert labels <= shown, lucene


def test_a_dashboard_edited_by_hand_is_shown(tmp_path: Path):
    folder = tmp_path / "dashboards"
    shutil.copytree(FOLDER, folder)
    assert compared(folder).returncode == 0
    path = folder / "munjigi-overview.json"
    content = json.loads(path.read_text("utf-8"))
    content["panels"][1]["title"] = "Decisions, my way"
    path.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    (folder / "mine.json").write_text("{}\n")
    found = compared(folder)
    assert found.returncode == 1
    assert '-   "title": "Decisions, my way",'.replace("   ", "  ", 1) in found.stdout.replace("-   ", "-  ")
    assert "mine.json" in found.stdout
    assert "run make dashboards" in found.stdout


def compared(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SOURCE), "--check", "--folder", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )


def test_provisioning_and_compose_fit_the_dashboards():
    """No container can be run here: this is what can be looked at without one."""
    grafana = FOLDER.parent
    (records,) = (each for each in provisioned(grafana, "datasources")["datasources"] if each["type"] == "elasticsearch")
    assert records["jsonData"]["index"] == f"{SETTINGS['elasticsearch_prefix'].default}-*"
    assert records["jsonData"]["timeField"] == "@timestamp"
    (provider,) = provisioned(grafana, "dashboards")["providers"]
    assert provider["allowUiUpdates"] is False
    services = yaml.safe_load((grafana / "compose.yml").read_text("utf-8"))["services"]
    assert services.keys() == {"grafana", "prometheus", "alertmanager"}
    mounted = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"] if volume.startswith("."))
    assert mounted["./dashboards"] == provider["options"]["path"]
    assert all((grafana / source).is_dir() for source in mounted)
    needed = set(re.findall(r"\$\{(\w+)\}", (grafana / "provisioning" / "datasources" / "munjigi.yml").read_text("utf-8")))
    assert needed <= services["grafana"]["environment"].keys()


def provisioned(folder: Path, kind: str) -> Any:
    return yaml.safe_load((folder / "provisioning" / kind / "munjigi.yml").read_text("utf-8"))
