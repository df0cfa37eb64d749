"""A real daemon that searches its trail in a real cluster: the same answers as without, and none that somebody edited there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from e2e_asking import SERIAL, question, reason_of
from elastic.server import ElasticsearchServer
from elastic.support import installed, settings_of
from running import Daemon, Stubs, free_port, serving

from munjigi_client._proto.munjigi.v1 import audit_pb2 as audit
from munjigi_client._proto.munjigi.v1 import explain_pb2, reach_pb2

PATIENCE = 60.0  # seconds


def settings(server: ElasticsearchServer, folder: Path, prefix: str) -> dict[str, str]:
    """Ship as one account and search as another, where there are accounts."""
    reader = {"MUNJIGI_ELASTICSEARCH_READER": str(server.credentials(folder, "searcher"))} if server.secure else {}
    return settings_of(server, folder, prefix) | reader


@pytest.fixture
def daemon(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path) -> Iterator[Daemon]:
    installed(cluster_server, tmp_path, prefix)
    with serving(tmp_path / "state", **settings(cluster_server, tmp_path, prefix)) as running:
        yield running


def command(daemon: Daemon, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "munjigi.cli.main", *arguments],
        env=daemon.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def found(daemon: Daemon, *conditions: str) -> dict[str, Any]:
    code, out, err = command(daemon, "audit", "search", "--as", "dpo.yoon", "-o", "json", *conditions)
    assert code == 0, err
    answer: dict[str, Any] = json.loads(out)
    return answer


def metrics(daemon: Daemon) -> str:
    with urllib.request.urlopen(f"http://{daemon.http_address}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_p7_the_trail_is_searched_in_the_cluster_and_what_was_edited_there_is_refused_and_named(
    cluster_server: ElasticsearchServer, prefix: str, daemon: Daemon
):
    with daemon.channel() as channel:
        stubs = Stubs(channel)
        asked = [
            stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"), timeout=60).decision_id for _ in range(3)
        ]
        then = time.time_ns()
        deadline = time.monotonic() + PATIENCE  # the follower has just begun
        while not (of_member := found(daemon, "--member", SERIAL, "--employee", "cs.kim"))["complete"]:
            assert time.monotonic() < deadline, "the search never found everything"
        assert [each["id"] for each in of_member["records"]] == asked[::-1]
        assert [each["id"] for each in found(daemon, "--decision-id", asked[1])["records"]] == [asked[1]]
        assert found(daemon, "--holder", "cs.kim")["records"][0]["event_type"] == "permission.grant"
        assert not (daemon.state_dir / "index.sqlite").exists()

        officer = daemon.credentials("dpo.yoon", "munjigi-cli")
        newest = stubs.audit.TailRecords(audit.TailRecordsRequest(last=2, employee="cs.kim"), metadata=officer, timeout=60)
        assert [each.id for each in newest.records] == asked[1:]
        why = stubs.decision.Explain(explain_pb2.ExplainRequest(decision_id=asked[0]), metadata=officer, timeout=60)
        assert (why.decision_id, why.employee) == (asked[0], "cs.kim")
        past = stubs.decision.WhoCan(
            reach_pb2.WhoCanRequest(resource="crm.member", fields=["phone"], purpose="inquiry", at=then),
            metadata=officer,
            timeout=60,
        )
        assert [each.employee for each in past.holders] == ["cs.kim", "cs.lee"]

    cluster_server.call("POST", f"/{prefix}-*/_refresh")
    by_id = {"query": {"term": {"event.id": asked[1]}}}
    (hit,) = cluster_server.call("POST", f"/{prefix}-*/_search", by_id)["hits"]["hits"]
    edited = hit["_source"] | {"user.name": "cs.lee"}
    cluster_server.call("PUT", f"/{hit['_index']}/_doc/{hit['_id']}?refresh=true", edited)
    for conditions in (("--member", SERIAL), ("--employee", "cs.lee"), ()):
        code, out, err = command(daemon, "audit", "search", "--as", "dpo.yoon", *conditions)
        assert code == 1, out
        assert asked[1] not in out
        assert f"Document {asked[1]} in {hit['_index']} of Elasticsearch is not what the log says" in " ".join(err.split())
        assert "munjigi audit reconcile" in err
    # What no edited document matches is answered as before.
    assert [each["id"] for each in found(daemon, "--decision-id", asked[0])["records"]] == [asked[0]]
    assert '"a document in Elasticsearch is not its record"' in daemon.text
    deadline = time.monotonic() + PATIENCE
    while 'reason="DOCUMENT_ALTERED"' not in metrics(daemon):
        assert time.monotonic() < deadline, "no metric tells of the altered document"
        time.sleep(0.1)


def test_a_cluster_that_is_away_is_said_to_be_and_decisions_go_on(
    cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path
):
    away = settings(cluster_server, tmp_path, prefix)
    away["MUNJIGI_ELASTICSEARCH_URLS"] = json.dumps([f"{cluster_server.url.rpartition(':')[0]}:{free_port()}"])
    with serving(tmp_path / "state", **away) as daemon, daemon.channel() as channel:
        stubs, officer = Stubs(channel), daemon.credentials("dpo.yoon", "munjigi-cli")
        answer = stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"), timeout=60)
        with pytest.raises(grpc.RpcError) as refused:
            stubs.audit.SearchRecords(audit.SearchRecordsRequest(), metadata=officer, timeout=60)
        assert reason_of(refused.value) == (grpc.StatusCode.UNAVAILABLE, "ELASTICSEARCH_UNREACHABLE")
        assert "look at its nodes" in refused.value.details()
        why = stubs.decision.Explain(explain_pb2.ExplainRequest(decision_id=answer.decision_id), metadata=officer, timeout=60)
        assert why.employee == "cs.kim"
        begun = stubs.audit.TailRecords(audit.TailRecordsRequest(), metadata=officer, timeout=60)
        more = stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"), timeout=60)
        following = audit.TailRecordsRequest(position=begun.position, employee="cs.kim", wait_seconds=20)
        assert [each.id for each in stubs.audit.TailRecords(following, metadata=officer, timeout=60).records] == [
            more.decision_id
        ]


def doctor(
    server: ElasticsearchServer, folder: Path, prefix: str, user: str, *, check: str = "search account", **more: str
) -> dict[str, str]:
    """Return what the doctor says of the account that searches, or ships."""
    chosen = settings(server, folder, prefix) | more
    if server.secure and user:
        chosen["MUNJIGI_ELASTICSEARCH_READER"] = str(server.credentials(folder, user))
    daemon = Daemon(folder / "state", **chosen)
    _, out, err = command(daemon, "doctor", "-o", "json")
    assert "Internal error" not in err
    (finding,) = [each for each in json.loads(out)["findings"] if each["check"] == check]
    return dict(finding)


def test_the_doctor_wants_an_account_that_reads_and_does_not_write(secured: ElasticsearchServer, prefix: str, tmp_path: Path):
    assert doctor(secured, tmp_path, prefix, "searcher")["result"] == "ok"
    excess = doctor(secured, tmp_path, prefix, "administrator")
    assert excess["result"] == "warn"
    assert "delete" in excess["found"]
    blind = doctor(secured, tmp_path, prefix, "shipper")
    assert (blind["result"], blind["found"]) == ("fail", "ELASTICSEARCH_DENIED")
    nobody = doctor(secured, tmp_path, prefix, "nobody")
    assert (nobody["result"], nobody["found"]) == ("fail", "ELASTICSEARCH_DENIED")
    assert doctor(secured, tmp_path, prefix, "searcher", MUNJIGI_AUDIT_SEARCH="sqlite")["result"] == "skip"
    away = doctor(
        secured, tmp_path, prefix, "searcher", MUNJIGI_ELASTICSEARCH_URLS=json.dumps([f"https://127.0.0.1:{free_port()}"])
    )
    assert (away["result"], away["found"]) == ("fail", "ELASTICSEARCH_UNREACHABLE")


def test_the_doctor_warns_of_a_cluster_without_accounts(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    if cluster_server.secure:
        pytest.skip("this Elasticsearch has accounts")
    assert "no accounts" in doctor(cluster_server, tmp_path, prefix, "")["found"]


def test_the_doctor_sees_whether_the_template_is_there(secured: ElasticsearchServer, prefix: str, tmp_path: Path):
    shipper = {"MUNJIGI_ELASTICSEARCH_CREDENTIALS": str(secured.credentials(tmp_path, "shipper"))}
    administrator = {"MUNJIGI_ELASTICSEARCH_CREDENTIALS": str(secured.credentials(tmp_path, "administrator"))}

    def shipping(**account: str) -> tuple[str, str]:
        found = doctor(secured, tmp_path, prefix, "searcher", check="shipping", **account)
        return found["result"], found["found"]

    assert shipping(**shipper) == (
        "ok",
        "Elasticsearch answers; there is no index yet, and this account may not see the template",
    )
    assert shipping(**administrator) == ("fail", f"Elasticsearch answers, and has no template {prefix}")
    daemon = Daemon(tmp_path / "state", **(settings(secured, tmp_path, prefix) | administrator))
    code, _, err = command(daemon, "audit", "install-index")
    assert code == 0, err
    assert shipping(**administrator) == ("ok", f"Elasticsearch answers; its template {prefix} is there, 0 indices by it")
    nobody = {"MUNJIGI_ELASTICSEARCH_CREDENTIALS": str(secured.credentials(tmp_path, "nobody"))}
    assert shipping(**nobody) == ("fail", "ELASTICSEARCH_DENIED")
