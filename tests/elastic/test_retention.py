"""Elasticsearch after records were removed from their log: nothing is reported or filled for nothing, and tampering still is."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from app.retiring import COUNT, DAY, STEP, copy_of, first_of, make, ready, retire, write
from app.test_holds import placing, using
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


# ---- Indices that are past their retention ---------------------------------------------------------------------------


class Aged(NamedTuple):
    """Four years of records up to now, all shipped: an index a month, the oldest of them past three years."""

    there: Installation
    log: Path

    def expire(self, *options: str) -> tuple[int, list[str]]:
        code, said = self.there.run("expire-index", *options)
        return code, str(said).splitlines()

    def indices(self) -> list[str]:
        return sorted({index for index, _ in stored(self.there.server, self.there.prefix)})


@pytest.fixture
def aged(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path) -> Aged:
    installed(cluster_server, tmp_path, prefix, rollover="month")
    folder = StateFolder(tmp_path / "state")
    folder.make()
    log = write(folder.root, 400, start=time.time_ns() - 4 * 365 * DAY)
    shipped = Shipped(folder, access_to(cluster_server, tmp_path), prefix, rollover="month")
    shipped.run()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUNJIGI_")},
        "MUNJIGI_STATE_DIR": str(folder.root),
        "MUNJIGI_ELASTICSEARCH_URLS": json.dumps([cluster_server.url]),
        "MUNJIGI_ELASTICSEARCH_AUTHORITY": str(cluster_server.tls.authority),
        "MUNJIGI_ELASTICSEARCH_CREDENTIALS": str(cluster_server.credentials(tmp_path, "admin")),
        "MUNJIGI_ELASTICSEARCH_PREFIX": prefix,
        "MUNJIGI_ELASTICSEARCH_ROLLOVER": "month",
    }
    return Aged(Installation(cluster_server, prefix, shipped, log.name, environment), log)


def test_p7_expired_indices_go_and_are_neither_missed_nor_filled_again(aged: Aged) -> None:
    there = aged.there
    before = aged.indices()
    code, said = aged.expire()
    assert code == 0
    old = said[:-1]
    assert 11 <= len(old) <= 13
    assert old == before[: len(old)]  # the oldest ones, and no other
    assert aged.indices() == before  # nothing was done yet
    code, said = aged.expire("--yes")
    assert (code, said[-1]) == (0, f"{len(old)} indices were deleted.")
    assert aged.indices() == before[len(old) :]
    code, answer = there.reconcile()
    assert (code, answer["equal"], answer["logs"][0]["missing"]) == (0, True, 0)
    kept = stored(there.server, there.prefix)
    assert there.run("rebuild", "--yes")[0] == 0
    assert stored(there.server, there.prefix) == kept
    assert aged.expire()[1] == ["No index is past its retention."]


def test_expired_indices_are_those_of_no_hold_and_of_three_years_at_least(aged: Aged) -> None:
    code, said = aged.expire("--years", "2")
    assert (code, "at least three years" in " ".join(said)) == (1, True)
    names = aged.expire()[1][:-1]
    begin, end = aged.there.shipped.naming.period_of(names[3]) or (0, 0)
    (hold,) = using(aged.log, placing(end - 1, end))  # its last nanosecond
    assert aged.expire("--yes")[1][:-1] == [name for name in names if name != names[3]]
    assert names[3] in aged.indices()
    aged.there.shipped.run()  # the record of the hold
    code, answer = aged.there.reconcile()
    assert (code, answer["logs"][0]["missing"]) == (0, 0)
    (aged.log.parents[1] / "holds" / f"{hold.hold_id}.json").unlink()
    code, said = aged.expire("--yes")
    assert (code, "nothing is removed" in " ".join(" ".join(said).split())) == (1, True)
    assert begin < end
