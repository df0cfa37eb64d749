"""The search in a real Elasticsearch: the port's conformance, and what only a cluster can do wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from audit.conformance_index import A, B, RecordSearchConformance, coded, ids
from audit.support import access
from elastic.searching import ShippedSearch
from elastic.server import ElasticsearchServer
from elastic.support import installed
from running import free_port

from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.adapters.elasticsearch.progress import DeadLetter, Progress
from munjigi.audit.ports import RecordQuery
from munjigi.audit.records import encode
from munjigi.audit.schema.ecs import document
from munjigi.kernel.errors import Corruption, MunjigiError, Unavailable

OTHER = "z" * 20


@pytest.fixture
def there(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path) -> Iterator[ShippedSearch]:
    installed(cluster_server, tmp_path, prefix)
    search = ShippedSearch(cluster_server, tmp_path, prefix)
    yield search
    search.close()
    for name in cluster_server.call("GET", f"/{prefix}-*/_settings"):
        cluster_server.call("DELETE", f"/{name}")


class TestElasticsearchSearch(RecordSearchConformance):
    @pytest.fixture
    def index(self, there: ShippedSearch) -> ShippedSearch:
        return there


def place_of(there: ShippedSearch, index: int) -> str:
    return f"/{there.documents.target(there.logs[A].records[index])}/_doc/{A}-{index}"


def put(there: ShippedSearch, address: str, source: dict[str, Any]) -> None:
    there.server.call("PUT", f"{address}?refresh=true", source)


def _of(there: ShippedSearch, index: int) -> dict[str, Any]:
    return dict(there.server.call("GET", place_of(there, index))["_source"])


def _another_name(there: ShippedSearch) -> str:
    put(there, place_of(there, 1), _of(there, 1) | {"user.name": "cs.lee"})
    return f"{A}-1"


def _a_field_more(there: ShippedSearch) -> str:
    put(there, place_of(there, 1), _of(there, 1) | {"munjigi.case_id": "CS-1"})
    return f"{A}-1"


def _another_time(there: ShippedSearch) -> str:
    put(there, place_of(there, 1), _of(there, 1) | {"@timestamp": "1970-01-01T00:00:00.000001011Z"})
    return f"{A}-1"


def _made_whole_for_another(there: ShippedSearch) -> str:
    forged = coded(access(1, employee="cs.lee"), first=1)[0]
    put(there, place_of(there, 1), document(A, 1, forged))
    return f"{A}-1"


def _invented_after_the_end(there: ShippedSearch) -> str:
    forged = coded(access(9), first=9)[0]
    put(there, f"/{there.documents.target(forged)}/_doc/{A}-9", document(A, 9, forged))
    return f"{A}-9"


def _copied_to_another_date(there: ShippedSearch) -> str:
    put(there, f"/{there.prefix}-2000.01.01/_doc/{A}-1", _of(there, 1))
    return f"{A}-1"


def _under_another_name(there: ShippedSearch) -> str:
    put(there, place_of(there, 1).rpartition("/")[0] + "/Kim%20010-1234-5678", _of(there, 1))
    return "without a record's name"


def _without_its_bytes(there: ShippedSearch) -> str:
    source = _of(there, 1)
    del source["event.original"]
    put(there, place_of(there, 1), source)
    return f"{A}-1"


def _of_another_record(there: ShippedSearch) -> str:
    put(there, place_of(there, 1), _of(there, 1) | {"event.original": _of(there, 0)["event.original"]})
    return f"{A}-1"


@pytest.mark.parametrize(
    "tamper",
    [
        _another_name,
        _a_field_more,
        _another_time,
        _made_whole_for_another,
        _invented_after_the_end,
        _copied_to_another_date,
        _under_another_name,
        _without_its_bytes,
        _of_another_record,
    ],
)
def test_p7_what_was_changed_there_is_not_answered_but_named(there: ShippedSearch, tamper: Callable[[ShippedSearch], str]):
    there.ingest(A, 0, coded(*(access(number) for number in range(3))))
    named = tamper(there)
    with pytest.raises(Corruption) as refused:
        ids(there)
    assert refused.value.reason == "DOCUMENT_ALTERED"
    assert f"Document {named} in {there.prefix}-" in refused.value.message
    assert "munjigi audit reconcile" in refused.value.message
    assert "010-1234" not in refused.value.message


def test_p7_documents_of_a_log_that_is_not_ours_are_no_answer(there: ShippedSearch):
    payloads = coded(access(0))
    there.ingest(A, 0, payloads)
    put(there, f"/{there.documents.target(payloads[0])}/_doc/{OTHER}-0", document(OTHER, 0, payloads[0]))
    assert ids(there) == ["a0"]


def test_p7_a_lost_document_and_a_lost_index_are_not_complete(there: ShippedSearch):
    there.ingest(A, 0, coded(*(access(number) for number in range(3)), start=1_790_000_000_000_000_000))
    there.server.call("DELETE", f"{place_of(there, 1)}?refresh=true")
    assert ids(there) == ["a2", "a0"]
    assert not there.holds(A, 3)
    assert there.holds(A, 1)
    there.server.call("DELETE", place_of(there, 0).rpartition("/_doc")[0])
    assert not there.holds(A, 1)


def test_what_is_stored_and_not_refreshed_is_not_held(there: ShippedSearch):
    there.ingest(A, 0, coded(access(0)))
    target = place_of(there, 0).rpartition("/_doc")[0]
    there.server.call("PUT", f"{target}/_settings", {"index.refresh_interval": "-1"})
    there.ingest(A, 1, coded(access(1), access(2), first=1), refresh=False)
    assert (there.holds(A, 1), there.holds(A, 3), ids(there)) == (True, False, ["a0"])
    there.server.call("POST", f"{target}/_refresh")
    assert (there.holds(A, 3), ids(there)) == (True, ["a2", "a1", "a0"])


def test_a_standing_dead_letter_is_not_held(there: ShippedSearch):
    there.ingest(A, 0, coded(access(0), access(1)))
    progress = Progress(there.shipping, A)
    progress.add_letters([DeadLetter(1, 400, "mapper_parsing_exception")])
    assert (there.holds(A, 1), there.holds(A, 2)) == (True, False)
    progress.add_letters([DeadLetter(1, 0, "")])
    assert there.holds(A, 2)


def test_records_whose_retention_has_ended_lack_nothing(there: ShippedSearch):
    old = [access(number) for number in range(4)]
    coded(*old, start=86_400_000_000_000)
    for record in old[2:]:
        record.time += 86_400_000_000_000
    there.ingest(A, 0, [encode(record) for record in old])
    there.server.call("DELETE", place_of(there, 0).rpartition("/_doc")[0])
    assert there.holds(A, 4)
    there.server.call("DELETE", f"{place_of(there, 3)}?refresh=true")
    assert not there.holds(A, 4)
    there.server.call("DELETE", place_of(there, 3).rpartition("/_doc")[0])
    assert not there.holds(A, 4)
    (cursor,) = there.shipping.glob("*.cursor")
    os.utime(cursor, (0, 0))  # a log that ended long ago
    assert there.holds(A, 4)


def test_a_closed_index_does_not_make_the_answer_shorter(there: ShippedSearch):
    there.ingest(A, 0, coded(access(0)))
    there.ingest(B, 0, coded(access(0), start=1_790_000_000_000_000_000))
    there.server.call("POST", f"{place_of(there, 0).rpartition('/_doc')[0]}/_close")
    for ask in (lambda: ids(there), lambda: there.holds(B, 1)):
        with pytest.raises(Unavailable) as refused:
            ask()
        assert refused.value.reason == "ELASTICSEARCH_REFUSED"
        assert "index_closed_exception" in refused.value.message


def test_an_account_that_may_not_read_is_told_so(secured: ElasticsearchServer, there: ShippedSearch, tmp_path: Path):
    there.ingest(A, 0, coded(access(0)))
    folder = tmp_path / "other"
    folder.mkdir()
    blind = ShippedSearch(secured, folder, there.prefix, credentials=secured.credentials(folder, "shipper"))
    blind.logs = there.logs
    for ask in (lambda: ids(blind), lambda: blind.search(RecordQuery(employee="cs.kim"), 1)):
        with pytest.raises(Unavailable) as refused:
            ask()
        assert refused.value.reason == "ELASTICSEARCH_DENIED"
    blind.close()


def test_a_cluster_that_is_away_is_said_to_be(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    away = ShippedSearch(cluster_server, tmp_path, prefix, urls=(f"{cluster_server.url.rpartition(':')[0]}:{free_port()}",))
    with pytest.raises(Unavailable) as refused:
        ids(away)
    assert refused.value.reason == "ELASTICSEARCH_UNREACHABLE"
    away.close()


def test_no_message_repeats_what_was_asked(there: ShippedSearch):
    for text in ("010-1234-5678\x00", "\ud800010-1234-5678"):
        try:
            assert ids(there, employee=text) == []
        except MunjigiError as error:
            assert "010-1234" not in error.message  # noqa: PT017 -- what comes out is what is checked


def test_pages_hold_over_a_restart_and_in_the_other_adapter(there: ShippedSearch, tmp_path: Path):
    index = SqliteAuditIndex(tmp_path / "index.sqlite")
    for log_id in (A, B):
        payloads = coded(*(access(number) for number in range(5)))
        there.ingest(log_id, 0, payloads)
        index.ingest(log_id, 0, payloads)
    token = there.search(RecordQuery(), 3).next_page_token
    assert token == index.search(RecordQuery(), 3).next_page_token
    assert there.search(RecordQuery(), 7, token) == index.search(RecordQuery(), 7, token)
    index.close()
