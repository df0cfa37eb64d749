"""P7 under faults: after quiescence the cluster holds each record once, whatever happened on the way."""

from __future__ import annotations

import random
import time
from contextlib import closing
from pathlib import Path

import pytest
from audit.support import START
from elastic.proxy import STATES, Proxy, proxied
from elastic.server import ElasticsearchServer
from elastic.support import DAY, Shipped, access_to, filled, installed, stored
from running import free_port

from munjigi.adapters.elasticsearch import sender
from munjigi.adapters.elasticsearch.access import Access
from munjigi.adapters.elasticsearch.progress import DeadLetter, Progress
from munjigi.adapters.identity.authority import init_tls
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.files import StateFolder
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import decode
from munjigi.grants.sample import seed_sample
from munjigi.kernel.errors import FailedPrecondition, Unavailable

COUNT = 3_000
HOUR = DAY // 24


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
        proxy.script = ["slow"] * 3
        shipped.run()
        assert proxy.seen[:3] == ["slow"] * 3
        assert max(proxy.sizes[3:]) < max(proxy.sizes[:3]) * 0.6, "a request that is too slow is not sent again as it is"
    each_once(cluster_server, prefix, shipped.folder)


def test_an_answer_that_trickles_ends_by_the_deadline_too(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix, 600, timeout=5.0)
        proxy.script = ["trickle"]
        began = time.monotonic()
        shipped.run()
        assert proxy.seen[0] == "trickle"
        assert time.monotonic() - began < 60  # 600 verdicts at a byte each 20 ms would take minutes
    each_once(cluster_server, prefix, shipped.folder, 600)


def test_p7_a_day_without_the_cluster_over_three_dates(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    """From an evening over a whole day into the next one: the backlog waits, and each record goes to its own date's index."""
    evening = START // DAY * DAY + 22 * HOUR
    with proxied(cluster_server) as proxy:
        installed(cluster_server, tmp_path, prefix)
        folder = filled(tmp_path / "state", 50, at=evening)
        shipped = Shipped(folder, access_to(cluster_server, tmp_path, urls=(proxy.url,)), prefix)
        shipped.run()
        proxy.script = ["reset_before"] * 1_000_000
        for hour in range(1, 28):
            filled(tmp_path / "state", 100, at=evening + hour * HOUR)
            if hour % 9 == 0:
                with pytest.raises(Unavailable):
                    shipped.run()
                assert shipped.metric("next_index") == 50
                assert shipped.metric("pending_since_timestamp_seconds") == pytest.approx((evening + HOUR) / 1e9, abs=1)
        proxy.script = []
        shipped.run()
    assert shipped.metric("pending_since_timestamp_seconds") == shipped.metric("dead_letters") == 0
    each_once(cluster_server, prefix, folder, 2_750)
    found = dict(map(reversed, stored(cluster_server, prefix)))
    assert len(set(found.values())) == 3
    log_id = list_logs(folder.journal)[0]
    with JournalReader(folder.journal / log_id) as log:
        for index, payload in log.read(0, 3_000):
            assert found[f"{log_id}-{index}"] == shipped.naming.of_time(decode(payload).time)


def test_requests_shrink_until_they_pass(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix)
        proxy.limit = 300_000
        shipped.run()
        assert "too_large" in proxy.seen
        assert 100_000 < max(proxy.passed) <= proxy.limit
        assert proxy.seen.count("too_large") < proxy.seen.count("pass")
    each_once(cluster_server, prefix, shipped.folder)


def test_requests_grow_again_when_they_pass(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix, 6_000)
        proxy.limit, proxy.lift_after = 60_000, 10
        shipped.run()
        assert max(proxy.passed) > 1.5 * proxy.limit
        assert 1.2 * max(proxy.passed) > shipped.metric("request_bytes") > proxy.limit
    each_once(cluster_server, prefix, shipped.folder, 6_000)


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


@pytest.mark.parametrize("kind", ["document_parsing_exception", "illegal_argument_exception", "a_kind_of_some_later_version"])
def test_a_400_of_one_document_is_a_dead_letter_and_holds_nobody_up(
    cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix, 1_500)
        proxy.refused = {7: (400, kind)}
        shipped.run()
        assert len(proxy.seen) == 2, "nothing was sent again"
    assert (shipped.metric("dead_letters", "journal"), shipped.metric("next_index", "journal")) == (1, 1_500)
    assert shipped.metric("records_total", "dead") == 1
    assert shipped.metric("retries_total") == 0
    assert [record.__dict__["dead_letters"] for record in caplog.records] == [1], "it is told of, once"
    log_id = list_logs(shipped.folder.journal)[0]
    assert Progress(shipped.folder.shipping, log_id).dead_letters() == {7: DeadLetter(7, 400, kind)}
    assert len(stored(cluster_server, prefix)) == 1_499


def test_a_document_over_which_the_cluster_fails_is_a_dead_letter_when_its_neighbours_pass(
    cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path
):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix, 30)
        proxy.refused = {7: (500, "null_pointer_exception")}
        shipped.run()
        assert len(proxy.seen) == sender.ATTEMPTS
    assert (shipped.metric("dead_letters"), shipped.metric("next_index")) == (1, 30)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, "index_not_found_exception"),  # it may not be made by itself
        (400, "index_closed_exception"),
        (400, "validation_exception"),  # as many shards as the cluster may hold
        (403, "cluster_block_exception"),
        (500, "null_pointer_exception"),
    ],
)
def test_p7_what_the_cluster_says_of_every_document_is_its_own_state_and_loses_none(
    cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path, status: int, kind: str
):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix, 30)
        proxy.refused = dict.fromkeys(range(30), (status, kind))
        with pytest.raises(Unavailable) as told:
            shipped.run()
        assert (told.value.reason, kind in told.value.message) == ("ELASTICSEARCH_REFUSED", True)
        assert len(proxy.seen) == (1 if status != 500 else sender.ATTEMPTS), "waiting alone does not mend it"
        assert (shipped.metric("dead_letters"), shipped.metric("next_index")) == (0, 0)
        assert shipped.metric("backlog_records", "journal") == 30
        proxy.refused = {}
        shipped.run()
    assert shipped.metric("backlog_records", "journal") == 0
    each_once(cluster_server, prefix, shipped.folder, 30)


@pytest.mark.parametrize("fault", list(STATES))
def test_p7_a_request_refused_as_a_whole_is_the_state_of_the_cluster(
    cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path, fault: str
):
    with proxied(cluster_server) as proxy:
        shipped = through(proxy, cluster_server, tmp_path, prefix, 30)
        proxy.script = [fault] * 1000
        with pytest.raises(Unavailable) as told:
            shipped.run()
        assert told.value.reason == "ELASTICSEARCH_REFUSED"
        assert proxy.seen == [fault]
        assert (shipped.metric("dead_letters"), shipped.metric("next_index")) == (0, 0)
        proxy.script = []
        shipped.run()
    each_once(cluster_server, prefix, shipped.folder, 30)


def test_the_backlog_of_each_family_is_counted_however_far_the_cluster_is_away(tmp_path: Path):
    folder = filled(tmp_path / "state", 120_000)
    with closing(SqliteStateStore(folder.state)) as store:
        store.migrate()
        seed_sample(store, START)
        permissions = store.log_head().next_index
    shipped = Shipped(folder, Access((f"http://127.0.0.1:{free_port()}",)), "munjigi-away")
    with pytest.raises(Unavailable):
        shipped.run(failures=1)
    assert shipped.metric("backlog_records", "journal") == 120_000
    assert shipped.metric("backlog_records", "permission") == permissions > 0
    assert 0 < shipped.metric("pending_since_timestamp_seconds", "journal") <= time.time()
    assert 0 < shipped.metric("pending_since_timestamp_seconds", "permission") <= time.time()
