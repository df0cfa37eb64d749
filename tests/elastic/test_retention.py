"""Elasticsearch after records were removed from their log: nothing is reported or filled for nothing, and tampering still is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from app.retiring import COUNT, STEP, copy_of, first_of, make, ready, retire
from audit.support import START
from elastic.server import ElasticsearchServer
from elastic.support import Shipped, access_to, installed, stored
from elastic.test_reconcile import Installation

from munjigi.adapters.elasticsearch.progress import DeadLetter, Progress
from munjigi.app.files import StateFolder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made") / "state")


@pytest.fixture
def there(cluster_server: ElasticsearchServer, prefix: str, made: Path, tmp_path: Path) -> Installation:
    """Everything was shipped, and then the oldest records were removed."""
    log = copy_of(made, tmp_path / "state")
    installed(cluster_server, tmp_path, prefix, rollover="month")
    folder = StateFolder(log.parents[1])
    shipped = Shipped(folder, access_to(cluster_server, tmp_path), prefix, rollover="month")
    shipped.run()
    Progress(folder.shipping, log.name).add_letters([DeadLetter(1, 400, "x")])
    retire(folder.root)
    ready(folder.root)
    shipped.run()
    assert shipped.metric("dead_letters") == 0
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUNJIGI_")},
        "MUNJIGI_STATE_DIR": str(folder.root),
        "MUNJIGI_ELASTICSEARCH_URLS": json.dumps([cluster_server.url]),
        "MUNJIGI_ELASTICSEARCH_AUTHORITY": str(cluster_server.tls.authority),
        "MUNJIGI_ELASTICSEARCH_CREDENTIALS": str(cluster_server.credentials(tmp_path, "admin")),
        "MUNJIGI_ELASTICSEARCH_PREFIX": prefix,
        "MUNJIGI_ELASTICSEARCH_ROLLOVER": "month",
    }
    return Installation(cluster_server, prefix, shipped, log.name, environment)


def first(there: Installation) -> int:
    return first_of(there.shipped.folder.journal / there.log_id)


def target(there: Installation, number: int) -> str:
    return there.shipped.naming.of_time(START + number * STEP)


def document(there: Installation, number: int) -> dict[str, Any]:
    found: dict[str, Any] = there.server.call("GET", f"/{target(there, number)}/_doc/{there.log_id}-{number}")["_source"]
    return found


def test_p7_documents_of_removed_records_are_neither_findings_nor_filled_again(there: Installation) -> None:
    code, answer = there.reconcile()
    assert (code, answer["findings"]) == (0, [])
    assert [(log["records"], log["missing"]) for log in answer["logs"]] == [(COUNT + 1 - first(there), 0)]
    for number in (2, first(there) + 1):
        there.server.call("DELETE", f"/{target(there, number)}/_doc/{there.log_id}-{number}?refresh=true")
    code, answer = there.reconcile()
    assert (code, answer["findings"], answer["logs"][0]["missing"]) == (0, [], 1)


def test_p7_an_edited_document_of_a_removed_record_is_named(there: Installation) -> None:
    there.put(f"{there.log_id}-5", {**document(there, 5), "user.name": "mkt.park"}, target(there, 5))
    there.put(f"{there.log_id}-7", document(there, 6), target(there, 7))
    other = {**document(there, 9), "event.original": document(there, 8)["event.original"]}
    there.put(f"{there.log_id}-9", other, target(there, 9))
    code, answer = there.reconcile()
    assert code == 5
    assert sorted(each["document"] for each in answer["findings"]) == [f"{there.log_id}-{number}" for number in (5, 7, 9)]
    assert {each["kind"] for each in answer["findings"]} == {"edited"}


def test_p7_a_rebuild_keeps_what_is_in_no_log_any_more(there: Installation) -> None:
    before = stored(there.server, there.prefix)
    assert len(before) == COUNT + 1
    code, said = there.run("rebuild", "--yes")
    assert (code, "indices were kept" in said) == (0, True)
    assert stored(there.server, there.prefix) == before
    code, answer = there.reconcile()
    assert (code, answer["equal"]) == (0, True)


def test_shipping_from_the_beginning_begins_where_the_log_does(there: Installation) -> None:
    for index in {index for index, _ in stored(there.server, there.prefix)}:
        there.server.call("DELETE", f"/{index}")
    (there.shipped.folder.shipping / f"{there.log_id}.cursor").unlink()
    again = Shipped(there.shipped.folder, there.shipped.access, there.prefix, rollover="month")
    again.run()
    assert [name for _, name in stored(there.server, there.prefix)] == [
        f"{there.log_id}-{number}" for number in range(first(there), COUNT + 1)
    ]
