"""P7: a document that is lost, doubled, edited or invented in Elasticsearch is found; everything can be made again."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from audit.support import START
from elastic.server import ElasticsearchServer
from elastic.support import Shipped, access_to, filled, installed, settings_of, stored

from munjigi.adapters.elasticsearch.progress import DeadLetter, Progress
from munjigi.audit.reader import list_logs
from munjigi.audit.slots import begin_anew

COUNT = 1_100  # more than a range of a thousand
OTHER = "z" * 20
TEXTS = ("munjigi.purpose", "munjigi.case_id", "munjigi.decision", "munjigi.tool", "munjigi.resource", "event.reason", "user.id")


class Installation(NamedTuple):
    server: ElasticsearchServer
    prefix: str
    shipped: Shipped
    log_id: str
    environment: dict[str, str]

    def run(self, *arguments: str) -> tuple[int, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "munjigi.cli.main", "audit", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Internal error" not in done.stderr
        return done.returncode, json.loads(done.stdout) if "json" in arguments else done.stdout + done.stderr

    def reconcile(self, *options: str) -> tuple[int, Any]:
        return self.run("reconcile", "-o", "json", *options)

    def target(self) -> str:
        return self.shipped.naming.of_time(START)

    def source(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.server.call("GET", f"/{self.target()}/_doc/{self.log_id}-{number}")["_source"]
        return found

    def put(self, name: str, source: dict[str, Any], target: str = "") -> None:
        self.server.call("PUT", f"/{target or self.target()}/_doc/{name}?refresh=true", source)


@pytest.fixture
def there(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path) -> Installation:
    """Everything is shipped."""
    installed(cluster_server, tmp_path, prefix)
    folder = filled(tmp_path / "state", COUNT)
    shipped = Shipped(folder, access_to(cluster_server, tmp_path), prefix)
    shipped.run()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MUNJIGI_")},
        "MUNJIGI_STATE_DIR": str(folder.root),
        **settings_of(cluster_server, tmp_path, prefix, "administrator"),
    }
    return Installation(cluster_server, prefix, shipped, list_logs(folder.journal)[0], environment)


def test_p7_what_is_equal_is_found_equal_even_before_a_refresh(there: Installation):
    code, answer = there.reconcile()
    assert (code, answer["equal"], answer["findings"], answer["other_logs"]) == (0, True, [], {})
    assert [(log["records"], log["missing"]) for log in answer["logs"]] == [(COUNT, 0)]


def test_p7_lost_documents_and_a_lost_index_are_filled_again(there: Installation):
    for number in (0, 999, 1000, COUNT - 1):
        there.server.call("DELETE", f"/{there.target()}/_doc/{there.log_id}-{number}?refresh=true")
    code, answer = there.reconcile()
    assert (code, answer["logs"][0]["missing"]) == (0, 4)
    there.server.call("DELETE", f"/{there.target()}")
    code, answer = there.reconcile()
    assert (code, answer["logs"][0]["missing"]) == (0, COUNT)
    assert [name for _, name in stored(there.server, there.prefix)] == [f"{there.log_id}-{number}" for number in range(COUNT)]


def _edit(there: Installation) -> tuple[str, str]:
    there.put(f"{there.log_id}-1050", {**there.source(1050), "munjigi.decision": "DENY"})
    return "edited", f"{there.log_id}-1050"


def _edit_a_nested_field(there: Installation) -> tuple[str, str]:
    source = there.source(3)
    source["munjigi.fields"][0]["effect"] = "denied"
    there.put(f"{there.log_id}-3", source)
    return "edited", f"{there.log_id}-3"


def _take_a_field_away(there: Installation) -> tuple[str, str]:
    source = there.source(7)
    del source["munjigi.case_id"]
    there.put(f"{there.log_id}-7", source)
    return "edited", f"{there.log_id}-7"


def _give_it_to_another_log(there: Installation) -> tuple[str, str]:
    there.put(f"{there.log_id}-8", {**there.source(8), "munjigi.log_id": "no log at all"})
    return "edited", f"{there.log_id}-8"


def _swap(there: Installation) -> tuple[str, str]:
    there.put(f"{there.log_id}-20", there.source(21))
    return "edited", f"{there.log_id}-20"


def _append(there: Installation) -> tuple[str, str]:
    there.put(f"{there.log_id}-{COUNT}", {**there.source(5), "munjigi.index": COUNT, "event.sequence": COUNT})
    return "invented", f"{there.log_id}-{COUNT}"


def _append_before_the_first(there: Installation) -> tuple[str, str]:
    there.put(f"{there.log_id}--1", {**there.source(5), "munjigi.index": -1})
    return "invented", f"{there.log_id}--1"


def _double_under_another_name(there: Installation) -> tuple[str, str]:
    there.put("another", there.source(40))
    return "invented", "another"


def _double_in_another_index(there: Installation) -> tuple[str, str]:
    there.put(f"{there.log_id}-40", there.source(40), f"{there.prefix}-2020.01.01")
    return "invented", f"{there.log_id}-40"


def _name_no_log(there: Installation) -> tuple[str, str]:
    there.put("nameless", {"event.action": "access.decision"})
    return "invented", "nameless"


TAMPERING = (
    _edit,
    _edit_a_nested_field,
    _take_a_field_away,
    _give_it_to_another_log,
    _swap,
    _append,
    _append_before_the_first,
    _double_under_another_name,
    _double_in_another_index,
    _name_no_log,
)


def test_p7_each_tampering_is_named_and_nothing_else(there: Installation):
    done = [tamper(there) for tamper in TAMPERING]
    code, answer = there.reconcile()
    assert (code, answer["equal"]) == (5, False)
    assert sorted((each["kind"], each["document"]) for each in answer["findings"]) == sorted(done)
    assert [log["missing"] for log in answer["logs"]] == [0]


def drawn(
    there: Installation, rng: random.Random, found: dict[str, dict[str, Any]]
) -> tuple[list[Any], set[tuple[str, str]], int]:
    """Draw ten tamperings; return the lines that do them, what is to be named, and how many documents are missing then."""
    lines: list[Any] = []
    named: set[tuple[str, str]] = set()
    numbers = rng.sample(range(COUNT - 1), 10)
    for number in numbers:
        name = f"{there.log_id}-{number}"
        source = copy.deepcopy(found[name])
        texts = [key for key, value in source.items() if isinstance(value, str) and key in TEXTS]
        kind = rng.choice(("edit", "remove", "swap", "delete", "invent", "double"))
        if kind == "delete":
            lines.append({"delete": {"_index": there.target(), "_id": name}})
            continue
        target, new = there.target(), name
        if kind == "edit":
            source[rng.choice(texts)] += rng.choice("xyz0")
        elif kind == "remove":
            del source[rng.choice(texts)]
        elif kind == "swap":
            source = found[f"{there.log_id}-{rng.choice([each for each in range(COUNT) if each != number])}"]
        elif kind == "invent":
            new = f"{there.log_id}-{COUNT + rng.randrange(10**6)}"
            source |= {"munjigi.index": COUNT + rng.randrange(10**6)}
        else:
            new = rng.choice((name, f"other-{rng.randrange(10**9)}"))
            target = f"{there.prefix}-20{rng.randrange(10, 20)}.01.01" if new == name else target
        lines += [{"index": {"_index": target, "_id": new}}, source]
        named.add(("invented" if kind in ("invent", "double") else "edited", new))
    return lines, named, sum("delete" in each for each in lines)


@pytest.mark.torture
def test_p7_drawn_tamperings_are_named_and_nothing_else(there: Installation):
    """A hundred times ten of them, all at once; then the cluster is as it was, and found so."""

    def bulk(lines: list[Any]) -> None:
        body = b"".join(orjson.dumps(each) + b"\n" for each in lines)
        assert not there.server.call("POST", "/_bulk?refresh=true", body)["errors"]

    query = {"size": COUNT, "query": {"match_all": {}}}
    there.server.call("POST", f"/{there.prefix}-*/_refresh")
    hits = there.server.call("POST", f"/{there.prefix}-*/_search", query)["hits"]["hits"]
    found = {hit["_id"]: hit["_source"] for hit in hits}
    assert len(found) == COUNT
    for seed in range(100):
        lines, named, missing = drawn(there, random.Random(seed), found)
        bulk(lines)
        code, answer = there.reconcile()
        assert code == (5 if named else 0), seed
        assert {(each["kind"], each["document"]) for each in answer["findings"]} == named, seed
        assert [log["missing"] for log in answer["logs"]] == [missing], seed
        undo: list[Any] = []
        for line in lines[:]:
            if "index" in line:
                where = line["index"]
                if where["_index"] == there.target() and where["_id"] in found:
                    undo += [{"index": where}, found[where["_id"]]]
                else:
                    undo.append({"delete": where})
        bulk(undo or [{"delete": {"_index": there.target(), "_id": "nobody"}}])
    assert there.reconcile()[0] == 0


def test_p7_a_whole_invented_log_is_named(there: Installation):
    there.put(f"{OTHER}-0", {**there.source(0), "munjigi.log_id": OTHER})
    code, answer = there.reconcile()
    assert (code, answer["other_logs"], answer["findings"]) == (5, {OTHER: 1}, [])
    assert there.reconcile("--shared")[0] == 0


def test_p7_rebuild_makes_everything_again(there: Installation):
    _edit(there)
    _append(there)
    _name_no_log(there)
    assert there.run("rebuild")[0] == 1
    assert len(stored(there.server, there.prefix)) > COUNT
    code, said = there.run("rebuild", "--yes")
    assert (code, f"{COUNT} records shipped" in said) == (0, True)
    assert there.reconcile()[0] == 0
    assert len(stored(there.server, there.prefix)) == COUNT


def _taken_back(there: Installation, tmp_path: Path) -> None:
    """Ship five more records, then put the whole state folder back to what it was: nothing in it can tell."""
    shutil.copytree(there.shipped.folder.root, tmp_path / "old")
    filled(there.shipped.folder.root, 5, at=START + 3600 * 10**9)
    there.shipped.run()
    shutil.rmtree(there.shipped.folder.root)
    (tmp_path / "old").rename(there.shipped.folder.root)


def test_p7_what_was_taken_back_altogether_is_named(there: Installation, tmp_path: Path):
    _taken_back(there, tmp_path)
    code, answer = there.reconcile()
    assert code == 5
    assert [(each["kind"], each["document"]) for each in answer["findings"]] == [
        ("invented", f"{there.log_id}-{COUNT + number}") for number in range(5)
    ]


def test_documents_after_a_restored_backup_are_counted_as_lost(there: Installation, tmp_path: Path):
    _taken_back(there, tmp_path)
    begin_anew(there.shipped.folder.journal, [0], randomness=lambda: bytes(range(16)), now=START)
    code, answer = there.reconcile()
    assert (code, answer["equal"]) == (0, True)
    assert [(each["kind"], each["document"]) for each in answer["findings"]] == [
        ("lost", f"{there.log_id}-{COUNT + number}") for number in range(5)
    ]
    code, said = there.run("reconcile")
    assert (code, "5 documents" in said) == (0, True)
    there.put(f"{there.log_id}-x", there.source(0))
    _edit(there)
    code, answer = there.reconcile()
    assert code == 5
    assert sorted(each["kind"] for each in answer["findings"] if each["kind"] != "lost") == ["edited", "invented"]


def test_dead_letters_are_sent_again_and_taken_back(there: Installation):
    progress = Progress(there.shipped.folder.shipping, there.log_id)
    there.server.call("DELETE", f"/{there.target()}/_doc/{there.log_id}-5?refresh=true")
    progress.add_letters([DeadLetter(5, 400, "document_parsing_exception")])
    code, answer = there.reconcile()
    assert (code, answer["logs"][0]["missing"], answer["logs"][0]["dead"]) == (0, 1, 0)
    assert progress.dead_letters() == {}


def test_install_index_says_what_it_did(there: Installation):
    code, said = there.run("install-index", "--replicas", "0", "--keep-days", "1200")
    assert (code, f"{there.prefix}-*" in said) == (0, True)
    code, said = there.run("install-index", "--keep-days", "365")
    assert (code, "three years" in said) == (1, True)
