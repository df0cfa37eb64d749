"""Every panel's question is answered by a real Prometheus, or a real Elasticsearch, that a real daemon has filled; and the pictures."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import grpc
import pytest
from dashboards.grafana_elasticsearch import rows, search
from dashboards.support import PANELS, Shipped
from elastic.server import ElasticsearchServer
from elastic.support import installed, settings_of
from parts import missing
from prometheus_server import Prometheus, prometheus
from running import ROOT, Daemon, Stubs, serving

from munjigi.adapters.pictures.fonts import families
from munjigi.adapters.prometheus_api import PrometheusApi
from munjigi.app.dashboard_report import pictures, report
from munjigi.kernel.errors import FailedPrecondition
from munjigi.reports.answers import name_of
from munjigi.reports.interpolation import Span, filled, values_of
from munjigi.reports.ports import Series
from munjigi_client._proto.munjigi.v1 import audit_pb2, review_pb2
from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

SCRAPE = 1  # seconds
POINTS = 1000
PREFIX = f"munjigi-shown-{os.getpid()}"
# A review that takes what is decided at once.
AT_ONCE = """
[reviews.by_name]
title = "Each right, by name"
judges = "holders"
who = "ordinary"
auto_revoke = false
notice_days = 0
canary_hours = 0
cap_grants_percent = 100
cap_team_percent = 100
"""
# Panels that show 0 here, though they are not empty while all is well.
ZERO = {
    "munjigi-overview: Alerts": "this Prometheus has no rules",
    "munjigi-rights: Emergency reviews overdue": "a review is due after a day",
    "munjigi-rights: Policy refused": "the policy is good",
    "munjigi-pipeline: Waits for Elasticsearch": "everything is shipped",
    "munjigi-pipeline: Legal holds, and retention that fails": "none was placed",
    "munjigi-reviews: Reviews overdue": "none is late",
    "munjigi-service: Longest stall of the event loop": "it is idle at the end",
}
# Panels whose link leads to nothing here.
UNRECORDED = {"munjigi-service: Sessions": "nobody's session was ended"}
OPTIONAL = {"munjigi.case_id"}  # marketing has no cases


def links(panel: Shipped) -> list[str]:
    """Return the questions that a panel's links ask."""
    found = panel.panel["fieldConfig"]["defaults"].get("links", [])
    return [parse_qs(urlsplit(link["url"]).query)["var-query"][0] for link in found]


class World(NamedTuple):
    daemon: Daemon
    prometheus: Prometheus
    elasticsearch: ElasticsearchServer
    span: Span

    def values(self, dashboard: dict[str, Any]) -> dict[str, str]:
        return values_of(dashboard, self.span, POINTS, SCRAPE)


def munjigi(daemon: Daemon, line: str) -> str:
    """Run a command that must succeed; return what it says."""
    command = [sys.executable, "-m", "munjigi.cli.main", *shlex.split(line)]
    done = subprocess.run(command, env=daemon.environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def world(cluster_server: ElasticsearchServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A daemon after half a minute of a company's life, whose records and counts have arrived."""
    folder = tmp_path_factory.mktemp("panels")
    installed(cluster_server, folder, PREFIX)
    policies = folder / "policies"
    shutil.copytree(ROOT / "policies", policies)
    with (policies / "reviews.toml").open("a") as file:
        file.write(AT_ONCE)
    settings = settings_of(cluster_server, folder, PREFIX) | {"MUNJIGI_POLICY_HOME": str(policies)}
    with serving(folder / "state", **settings) as daemon, prometheus(folder / "prometheus", daemon.http_address) as server:
        server.wait_for("munjigi_worker_ready == 1")
        began = time.time_ns()
        live(daemon, server)
        administrator = settings_of(cluster_server, folder, PREFIX, "administrator")
        daemon.environment |= {name: administrator[name] for name in administrator if name.endswith("CREDENTIALS")}
        munjigi(daemon, "audit reconcile")
        server.wait_for("munjigi_reconcile_timestamp_seconds > 0")
        server.wait_for("sum(munjigi_ship_backlog_records) == 0")
        cluster_server.call("POST", f"/{PREFIX}-*/_refresh")
        yield World(daemon, server, cluster_server, Span(began, time.time_ns()))


def live(daemon: Daemon, server: Prometheus) -> None:
    """Let the company read, ask for rights, decide, err and be stopped, twice and a scrape apart, so that each rate is seen."""
    reviewed(daemon, server)  # first: what is used is spared
    munjigi(daemon, "demo --count 100 --seed 1")
    request = re.search(
        r"\bar-\w+", munjigi(daemon, "request cs_agent --purpose inquiry --days 5 --reason 'joins the desk' --as new.oh")
    )
    assert request
    munjigi(daemon, f"approve {request[0]} --yes --as cs.lee")
    munjigi(daemon, "grant revoke g.fraud.choi.fraud_analyst --reason 'moves to another desk' --as cs.lee")
    munjigi(
        daemon,
        "break-glass fraud_analyst --purpose fraud_investigation --case FR-2026-0001 "
        "--reason 'payments fail all over the shop' --as fraud.choi",
    )
    munjigi(daemon, "block employee dba.jung --reason 'incident 7' --as dpo.yoon")
    refused(daemon, server, 3)
    munjigi(daemon, "demo --count 100 --seed 2")
    munjigi(daemon, "request cs_manager --purpose inquiry --days 5 --reason 'leads the desk' --as new.oh")
    munjigi(daemon, "block employee new.oh --reason 'incident 8' --as dpo.yoon")
    with (Path(daemon.environment["MUNJIGI_POLICY_HOME"]) / "policy.csv").open("a") as file:
        file.write("p, cs_agent, crm.payment.amount, export, inquiry, True, allow, range\n")
    munjigi(daemon, "policy reload --as sec.han")
    refused(daemon, server, 6)


def reviewed(daemon: Daemon, server: Prometheus) -> None:
    """Review each right by name: one stays by an exception, one is taken and given back."""
    ours = {name: daemon.credentials(name, "munjigi-cli") for name in ("cs.kim", "cs.lee", "dpo.yoon")}
    with daemon.channel() as channel:
        stub = Stubs(channel).review
        review = stub.PlanReview(calls.PlanReviewRequest(kind="by_name"), metadata=ours["dpo.yoon"], timeout=120).review
        items = calls.ListReviewItemsRequest(review_id=review.review_id)
        (kims,) = (
            each.number
            for each in stub.ListReviewItems(items, metadata=ours["dpo.yoon"], timeout=30).items
            if each.employee == "cs.kim"
        )
        wanted = calls.RequestExceptionRequest(
            review_id=review.review_id, number=kims, reason="night duty", expires_at=time.time_ns() + 30 * 86400 * 10**9
        )
        asked = stub.RequestException(wanted, metadata=ours["cs.kim"], timeout=30).exception
        approve = calls.ApproveExceptionRequest(exception_id=asked.exception_id)
        stub.ApproveException(approve, metadata=ours["cs.lee"], timeout=30)
        items.to_decide = True
        for who in ("cs.lee", "dpo.yoon"):
            words = [
                calls.ReviewDecision(
                    number=each.number,
                    word=review_pb2.REVIEW_WORD_REVOKE if each.employee == "mkt.park" else review_pb2.REVIEW_WORD_KEEP,
                    reason="it is so",
                    looked=3 * 10**9,
                )
                for each in stub.ListReviewItems(items, metadata=ours[who], timeout=30).items
            ]
            said = calls.DecideItemRequest(review_id=review.review_id, plan_digest=review.plan_digest, decisions=words)
            stub.DecideItem(said, metadata=ours[who], timeout=30)
        apply = calls.ApplyReviewRequest(review_id=review.review_id, plan_digest=review.plan_digest)
        assert stub.ApplyReview(apply, metadata=ours["dpo.yoon"], timeout=60).applied == 1
        undo = calls.UndoReviewRequest(review_id=review.review_id, reason="needed after all")
        stub.UndoReview(undo, metadata=ours["dpo.yoon"], timeout=30)
    server.wait_for("max(munjigi_review_restored) == 1 and max(munjigi_review_exceptions) == 1")


def refused(daemon: Daemon, server: Prometheus, in_all: int) -> None:
    """Sign in three times with something that is no token, and wait until it is scraped."""
    with daemon.channel() as channel:
        stubs = Stubs(channel)
        for _ in range(3):
            with pytest.raises(grpc.RpcError):
                stubs.audit.SearchRecords(
                    audit_pb2.SearchRecordsRequest(), metadata=(("authorization", "Bearer none"),), timeout=10
                )
    server.wait_for(f"sum(munjigi_sign_in_failures_total) >= {in_all}")


def each(kind: str) -> pytest.MarkDecorator:
    chosen = [panel for panel in PANELS if panel.prometheus == (kind == "prometheus")]
    return pytest.mark.parametrize("panel", chosen, ids=lambda panel: panel.name)


def asked(world: World, panel: Shipped, target: dict[str, Any]) -> list[Series]:
    source, values = PrometheusApi(world.prometheus.url), world.values(panel.dashboard)
    expression = filled(target["expr"], values)
    if panel.over_time:
        return source.over(expression, world.span, SCRAPE)  # a short life: a point a scrape, where Grafana draws one in 15 s
    return source.at(expression, world.span.end)


@each("prometheus")
def test_prometheus_answers_with_data_of_the_right_shape(world: World, panel: Shipped):
    numbers: list[float] = []
    for target in panel.targets:
        found = asked(world, panel, target)
        assert found, target["expr"]
        labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        names = [name_of(target["legendFormat"], each) for each in found]
        assert len(set(names)) == len(names), "two lines of one name"
        for each in found:
            assert all(each.labels.get(label) for label in labels), each.labels
            numbers += [value for _, value in each.points if value == value]  # noqa: PLR0124 - not a NaN
        if panel.panel["type"] == "stat":
            assert len(found) == 1
    assert numbers
    if not panel.quiet:
        assert any(numbers) or panel.name in ZERO, "it shows zeros only, and does not say why"


@each("elasticsearch")
def test_elasticsearch_answers_with_data_of_the_right_shape(world: World, panel: Shipped):
    for target in panel.targets:
        found = records(world, panel, target)
        assert found
        if target["bucketAggs"]:
            assert any(row["value"] for row in found)
            assert all(row[each["field"]] not in (None, "") for row in found for each in target["bucketAggs"])
        else:
            columns = panel.panel["transformations"][0]["options"]["include"]["names"]
            assert {column for row in found for column in columns if column in row} >= set(columns) - OPTIONAL
            times = [row["@timestamp"] for row in found]
            assert times == sorted(times, reverse=True)


def records(world: World, panel: Shipped, target: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask with the account that docs/elasticsearch.md gives to dashboards."""
    body = search(target, world.values(panel.dashboard), world.span)
    return rows(target, world.elasticsearch.call("POST", f"/{PREFIX}-*/_search", body, user="searcher"))


@pytest.mark.parametrize("panel", [panel for panel in PANELS if links(panel)], ids=lambda panel: panel.name)
def test_its_link_leads_to_records(world: World, panel: Shipped):
    """Grafana fills the series' labels, or a row's first value, into the link."""
    chosen: list[dict[str, str]]
    if panel.prometheus:
        chosen = [
            dict(each.labels)
            for target in panel.targets
            for each in asked(world, panel, target)
            if any(v for _, v in each.points)
        ]
    else:
        chosen = [{"": str(next(iter(row.values())))} for target in panel.targets for row in records(world, panel, target)]
    assert chosen or panel.quiet or panel.name in ZERO
    for labels in chosen:
        for lucene in links(panel):
            values = {f"${{__field.labels.{name}}}": value for name, value in labels.items()} | {
                "${__data.fields[0]}": labels.get("", "")
            }
            question = re.sub(r"\$\{[^}]*\}", lambda match, values=values: values[match[0]], lucene)
            if "none" in labels.values():
                continue
            body = {"size": 0, "query": {"query_string": {"analyze_wildcard": True, "query": question}}}
            total = world.elasticsearch.call("POST", f"/{PREFIX}-*/_search", body, user="searcher")["hits"]["total"]["value"]
            assert total or panel.name in ZERO or panel.name in UNRECORDED, question


def test_the_hosts_to_choose_from_are_those_that_are_scraped(world: World):
    for page in {panel.dashboard["uid"]: panel.dashboard for panel in PANELS}.values():
        (variable,) = (each for each in page["templating"]["list"] if each["name"] == "instance")
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
        assert world.prometheus.get(f"label/{label}/values", **{"match[]": metric}) == [world.daemon.http_address]


def test_the_overview_is_drawn_whole_and_panel_by_panel(world: World, tmp_path: Path):
    hangul = "고객정보 접근 현황"
    try:
        families(hangul)
    except FailedPrecondition as error:
        missing(error.message)
    out = tmp_path / "out"
    command = f"report dashboard --out {out} --prometheus {world.prometheus.url} --scrape {SCRAPE} --since 5m --format png"
    said = munjigi(world.daemon, f"{command} --title '{hangul}'")
    names = {path.stem for path in out.iterdir()}
    assert f"{len(names)} pictures" in said
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in out.iterdir())
    source = PrometheusApi(world.prometheus.url)
    found = report(source, world.span, scrape=SCRAPE, title=hangul)
    assert found.made_up.startswith("sample company")
    assert len(found.answers) + 1 == len(names)
    once, again = (next(pictures(found, source.name, UTC, "svg", None)) for _ in range(2))
    assert once == again
    assert ET.fromstring(once[1]).tag.endswith("svg")  # a glyph that no font has is a warning, and warnings are errors here
