"""P7 under faults: after quiescence the cluster holds each record once, whatever happened on the way."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from elastic.proxy import Proxy, proxied
from elastic.server import ElasticsearchServer
from elastic.support import Shipped, access_to, filled, installed, stored

from munjigi.adapters.elasticsearch import sender
from munjigi.adapters.identity.authority import init_tls
from munjigi.app.files import StateFolder
from munjigi.audit.reader import list_logs
from munjigi.kernel.errors import FailedPrecondition, Unavailable

COUNT = 3_000


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_FIRST_PAUSE", 0.01)


def each_once(server: ElasticsearchServer, prefix: str, folder: StateFolder, count: int = COUNT) -> None:
    log_id = list_logs(folder.journal)[0]
    assert [each for _, each in stored(server, prefix)] == [f"{log_id}-{number}" for number in range(count)]


def through(
    proxy: Proxy, server: ElasticsearchServer, tmp_path: Path, prefix: str, count: int = COUNT, **changes: object
) -> Shipped:
    installed(server, tmp_path, prefix)
    return Shipped(filled(tmp_path / "state", count), access_to(server, tmp_path, urls=(proxy.url,), **changes), prefix)


@pytest.mark.parametrize("fault", ["too_many", "html", "html_ok", "half", "reset_before", "reset_after"])
def test_p7_one_fault_after_another(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path, fault: str):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix)
        proxy.script = [fault] * 5
        shipped.run()
        assert proxy.seen.count(fault) == 5
        assert "pass" in proxy.seen
    assert shipped.metric("retries_total") > 0
    assert shipped.metric("pending_since_timestamp_seconds") == shipped.metric("dead_letters") == 0
    each_once(cluster_server, prefix, shipped.folder)


def test_p7_a_storm_of_everything(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    faults = ["too_many", "html", "html_ok", "half", "reset_before", "reset_after", "pass", "pass"]
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix)
        proxy.script = random.Random(7).choices(faults, k=60)
        for _ in range(30):  # each run gives up after some attempts, as the follower's step does
            try:
                shipped.run()
            except Unavailable:
                continue
            break
        shipped.run()
    each_once(cluster_server, prefix, shipped.folder)


def test_slow_answers_end_by_the_deadline(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix, timeout=0.5)
        proxy.script = ["slow"]
        shipped.run()
        assert proxy.seen[0] == "slow"
    each_once(cluster_server, prefix, shipped.folder)


def test_requests_shrink_until_they_pass(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix)
        proxy.limit = 300_000
        shipped.run()
        assert "too_large" in proxy.seen
        assert 100_000 < proxy.largest <= proxy.limit
        assert proxy.seen.count("too_large") < proxy.seen.count("pass")
    each_once(cluster_server, prefix, shipped.folder)


def test_one_record_that_is_too_large_is_a_dead_letter(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix, 3)
        proxy.limit = 10
        shipped.run()
        assert (shipped.metric("dead_letters"), shipped.metric("next_index")) == (3, 3)


@pytest.mark.parametrize("fault", ["too_many", "html_ok", "reset_before"])
def test_down_for_long_keeps_the_cursor_and_says_so(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path, fault: str):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix)
        proxy.script = [fault] * 1000
        with pytest.raises(Unavailable) as told:
            shipped.run()
        assert told.value.reason in ("ELASTICSEARCH_UNREACHABLE", "ELASTICSEARCH_REFUSED")
        assert shipped.metric("next_index") == 0
        assert 0 < shipped.metric("pending_since_timestamp_seconds") < time.time()
        assert len(proxy.seen) <= 4 * sender.ATTEMPTS * 2
        proxy.script = []
        shipped.run()
    each_once(cluster_server, prefix, shipped.folder)


def test_a_certificate_of_another_authority_is_refused(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    (tmp_path / "other").mkdir()
    with proxied(cluster_server, init_tls(tmp_path / "other", (), now=time.time_ns())) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix, 3)
        with pytest.raises(Unavailable) as told:
            shipped.run()
        assert told.value.reason == "ELASTICSEARCH_UNREACHABLE"
        assert proxy.seen == []


def test_expired_credentials_are_named_and_renewed_in_place(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    installed(cluster_server, tmp_path, prefix)
    access = access_to(cluster_server, tmp_path)
    cluster_server.credentials(tmp_path, "shipper", "no longer its password")
    shipped = Shipped(filled(tmp_path / "state", 20), access, prefix)
    with pytest.raises(Unavailable) as told:
        shipped.run()
    assert told.value.reason == "ELASTICSEARCH_DENIED"
    cluster_server.credentials(tmp_path, "shipper")
    shipped.run()
    each_once(cluster_server, prefix, shipped.folder, 20)


def test_without_the_template_nothing_counts_as_shipped(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    shipped = Shipped(filled(tmp_path / "state", 20), access_to(cluster_server, tmp_path), prefix)
    with pytest.raises(FailedPrecondition) as told:
        shipped.run()
    assert told.value.reason == "ELASTICSEARCH_TEMPLATE_MISSING"
    assert shipped.metric("next_index") == 0
    installed(cluster_server, tmp_path, prefix)
    for index in {index for index, _ in stored_anyhow(cluster_server, prefix)}:
        cluster_server.call("DELETE", f"/{index}")
    shipped.run()
    each_once(cluster_server, prefix, shipped.folder, 20)


def stored_anyhow(server: ElasticsearchServer, prefix: str) -> list[tuple[str, str]]:
    server.call("POST", f"/{prefix}-*/_refresh")
    return [(hit["_index"], hit["_id"]) for hit in server.call("GET", f"/{prefix}-*/_search")["hits"]["hits"]]


def test_a_conflicting_mapping_makes_dead_letters_not_losses(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    folder = filled(tmp_path / "state", 30)
    installed(cluster_server, tmp_path, prefix)
    shipped = Shipped(folder, access_to(cluster_server, tmp_path), prefix)
    index = shipped.naming.of_time(1_790_000_000_000_000_000)
    mapping = {"dynamic": "strict", "properties": {"munjigi": {"properties": {"purpose": {"type": "long"}}}}}
    cluster_server.call("DELETE", f"/_index_template/{prefix}")
    cluster_server.call("PUT", f"/{index}", {"mappings": mapping})
    shipped.run()
    assert (shipped.metric("dead_letters"), shipped.metric("next_index")) == (30, 30)
    assert shipped.metric("records_total", "dead") == 30


def test_a_write_block_holds_everything_back(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    installed(cluster_server, tmp_path, prefix)
    shipped = Shipped(filled(tmp_path / "state", 30), access_to(cluster_server, tmp_path), prefix)
    shipped.run()
    index = stored(cluster_server, prefix)[0][0]
    cluster_server.call("PUT", f"/{index}/_settings", {"index.blocks.write": True})
    filled(tmp_path / "state", 10)
    with pytest.raises(Unavailable) as told:
        shipped.run()
    assert told.value.reason == "ELASTICSEARCH_REFUSED"
    assert (shipped.metric("dead_letters"), shipped.metric("next_index")) == (0, 30)
    cluster_server.call("PUT", f"/{index}/_settings", {"index.blocks.write": False})
    shipped.run()
    each_once(cluster_server, prefix, shipped.folder, 40)
