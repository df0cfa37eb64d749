"""Use that is counted out of Elasticsearch is, row by row, what the follower counts out of the journals (REVIEW R1, R2, R11)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from audit.support import START
from elastic.server import ElasticsearchServer
from elastic.support import Shipped, access_to, installed, settings_of
from review.usage_kit import Installation, allowed, read

from munjigi.adapters.elasticsearch import usage as usage_there
from munjigi.adapters.elasticsearch import view
from munjigi.adapters.elasticsearch.blocking import BlockingCluster
from munjigi.adapters.elasticsearch.expiry import note
from munjigi.adapters.elasticsearch.usage import Part, UsageThere
from munjigi.app import usage_compared
from munjigi.app.usage_counter import ExemptTools, count_all
from munjigi.audit.records import FieldRecord
from munjigi.cli.main import run
from munjigi.kernel.clock import SECOND
from munjigi.review.days import DAY
from munjigi.review.ports import Gap, LogMark, Taken

COLUMNS = ("name", "phone", "email", "birth_date")
REVISION = "f" * 64  # of a policy that is nowhere any more


def member(number: int) -> str:
    return f"m1.01234567.{number:026d}"


def of(names: dict[str, tuple[str, ...]]) -> tuple[FieldRecord, ...]:
    """Columns with the grants of each; one without is denied, and nothing of what it says counts."""
    return tuple(
        FieldRecord(name, "clear", "", "GRANTED", "policy.csv:1", grants)
        if grants
        else FieldRecord(name, "denied", "", "NO_RULE", "", ("g-0-a",))
        for name, grants in names.items()
    )


class House(NamedTuple):
    """An installation that ships, and what runs commands in it."""

    server: ElasticsearchServer
    prefix: str
    made: Installation
    shipped: Shipped
    capsys: pytest.CaptureFixture[str]

    def count(self) -> None:
        with closing(self.made.counter()) as counter:
            count_all(counter)

    def settle(self) -> None:
        """Count and ship all that was written, and let searches find it."""
        self.count()
        self.shipped.run()
        self.server.call("POST", f"/{self.prefix}-*/_refresh")

    def compare(self) -> tuple[int, Any]:
        code, out = self.run("-o", "json")
        return code, json.loads(out)

    def run(self, *options: str) -> tuple[int, str]:
        self.capsys.readouterr()
        code = run(["audit", "usage", *options])
        out, err = self.capsys.readouterr()
        assert err == ""
        return code, out

    def place(self, decision: str, at: int) -> str:
        return f"/{self.shipped.naming.of_time(at)}/_doc/{decision}"

    def edit(self, decision: str, at: int, **changes: Any) -> None:
        source = self.server.call("GET", self.place(decision, at))["_source"]
        self.server.call("PUT", f"{self.place(decision, at)}?refresh=true", {**source, **changes})


@pytest.fixture
def house(
    cluster_server: ElasticsearchServer,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[House]:
    installed(cluster_server, tmp_path, prefix)
    made = Installation(tmp_path / "state")
    settings = settings_of(cluster_server, tmp_path, prefix, "searcher")
    if "MUNJIGI_ELASTICSEARCH_CREDENTIALS" in settings:
        settings["MUNJIGI_ELASTICSEARCH_READER"] = settings.pop("MUNJIGI_ELASTICSEARCH_CREDENTIALS")
    settings |= {"MUNJIGI_ELASTICSEARCH_ROLLOVER": "month", "MUNJIGI_STATE_DIR": str(made.folder.root)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(usage_compared, "PATIENCE", 0.0)
    shipped = Shipped(made.folder, access_to(cluster_server, tmp_path), prefix, rollover="month")
    with closing(made):
        yield House(cluster_server, prefix, made, shipped, capsys)
    for name in cluster_server.call("GET", f"/{prefix}-*/_settings"):
        cluster_server.call("DELETE", f"/{name}")


def story(made: Installation, seed: int, count: int = 300) -> None:
    """Write two months of two workers, of everything that counts and that does not."""
    rng, at = random.Random(seed), START
    for _ in range(count):
        at += rng.randrange(61 * DAY // count)
        who = rng.randrange(4)
        mine = (f"g-{who}-a", f"g-{who}-b")
        columns = rng.sample(COLUMNS, rng.randrange(1, 4))
        kind = rng.randrange(12)
        grants = [(mine[0],) if who < 2 else rng.choice((mine, mine[:1], mine[1:])) for _ in columns]
        if rng.randrange(6) == 0:
            grants[0] = ()
        changes: dict[str, Any] = {
            "employee": f"cs.{who}",
            "fields": of(dict(zip(columns, grants, strict=True))),
            "members": tuple(member(rng.randrange(40)) for _ in range(rng.randrange(3))),
            "subject_count": 2,
            "action": rng.choice(("read", "read", "export")),
        }
        if kind == 0:
            changes["probe"] = True
        elif kind == 1:
            changes["observe"] = True
        elif kind == 2:
            changes["own"] = True
        elif kind == 3:
            changes |= {"decision": "DENY", "reason": "NO_RULE"}
        elif kind == 4:
            changes["tool"] = "munjigi-cli"
        elif kind == 5:
            changes["policy_revision"] = REVISION
        elif kind == 6:
            changes |= {"resource": "class:contact", "fields": of({"class:contact": mine})}
        slot = rng.randrange(2)
        (decision,) = made.write(allowed(at, **changes), slot=slot, at=at)
        outcome = rng.choice(("read", "read", "read", "read", "failed", "abandoned", ""))
        if outcome:
            named = tuple(member(100 + rng.randrange(9)) for _ in range(rng.randrange(3)))
            for _ in range(rng.choice((1, 1, 2))):
                made.write(
                    read(decision, outcome=outcome, members=named, tool=changes.get("tool", "crm-desk")),
                    slot=slot if rng.randrange(3) else 1 - slot,
                    at=at + SECOND,
                )
    made.write(allowed(at + DAY, probe=True), slot=0, at=at + DAY)
    made.write(allowed(at + DAY, probe=True), slot=1, at=at + DAY)


@pytest.mark.parametrize("seed", range(3))
def test_r1_r2_both_ways_count_the_same_to_the_byte(house: House, monkeypatch: pytest.MonkeyPatch, seed: int):
    story(house.made, seed)
    house.settle()
    code, answer = house.compare()
    assert (code, answer["equal"], answer["differences"], answer["blocks"]) == (0, True, [], [])
    assert answer["permissions"] > 20
    shown = house.run()[1].splitlines()
    assert shown[0] == f"equal {answer['permissions']} permissions that were used, {answer['records']} records of 2 logs"
    assert shown[1].startswith("No `munjigi audit reconcile`")
    with closing(house.made.store()) as store:
        moment, days = store.moment(), store.days
    # Pages and windows of a few records: what lies on their edges is neither lost nor doubled.
    monkeypatch.setattr(view, "PAGE", 7)
    monkeypatch.setattr(view, "DOCUMENTS", 5)
    monkeypatch.setattr(usage_there, "DOCUMENTS", 5)
    monkeypatch.setattr(usage_there, "WINDOW", 64)
    monkeypatch.setattr(usage_there, "_MOST_SUMS", 3)
    monkeypatch.setattr(usage_there, "_MOST_TERMS", 1)
    reader = access_to(house.server, house.made.root.parent, "searcher", part="reader")
    parts = [Part(mark.log_id, ((0, mark.next_index),)) for mark in moment.marks]
    with closing(BlockingCluster(reader)) as cluster, view.View(cluster, f"{house.prefix}-*") as seen:
        there = UsageThere(seen, parts, ExemptTools(house.made.folder), days)
        assert usage_compared.added_up(there, days) == moment.grants


def test_r1_more_than_128_members_give_the_same_estimate(house: House):
    for number in range(200):
        at = START + number * SECOND
        (decision,) = house.made.write(allowed(at, "g-1", members=(member(number), member(number + 1))), at=at)
        house.made.write(read(decision), at=at)
    house.settle()
    code, answer = house.compare()
    assert (code, answer["equal"], answer["permissions"]) == (0, True, 1)


def _delete(house: House, decision: str, at: int) -> None:
    house.server.call("DELETE", f"{house.place(decision, at)}?refresh=true")


def _other_grant(house: House, decision: str, at: int) -> None:
    fields = [{"name": "name", "effect": "clear", "grants": ["g-2"]}]
    house.edit(decision, at, **{"munjigi.fields": fields})


def _denied(house: House, decision: str, at: int) -> None:
    house.edit(decision, at, **{"munjigi.decision": "DENY"})


def _other_member(house: House, decision: str, at: int) -> None:
    house.edit(decision, at, **{"munjigi.members": [member(7)]})


def _other_time(house: House, decision: str, at: int) -> None:
    house.edit(decision, at, **{"@timestamp": "2026-09-21T14:13:20.000000001Z"})


def _doubled(house: House, decision: str, at: int) -> None:
    source = house.server.call("GET", house.place(decision, at))["_source"]
    house.server.call("PUT", f"/{house.prefix}-2020.01.01/_doc/{decision}?refresh=true", source)


@pytest.mark.parametrize(
    ("tamper", "differs", "whole"),
    [
        (_delete, {"g-1": ["last_at", "uses", "days", "members"]}, False),
        (_other_grant, {"g-1": ["last_at", "uses", "days", "members"], "g-2": ["uses"]}, True),
        (_denied, {"g-1": ["last_at", "uses", "days", "members"]}, True),
        (_other_member, {"g-1": ["members"]}, True),
        (_other_time, {"g-1": ["last_at", "days"]}, True),
        (_doubled, {"g-1": ["uses"]}, False),
    ],
)
def test_p7_what_was_changed_there_is_named(house: House, tamper: Any, differs: dict[str, list[str]], whole: bool):
    places = [START, START + 3 * DAY]
    for number, at in enumerate(places):
        (decision,) = house.made.write(allowed(at, "g-1", members=(member(number),)), at=at)
        house.made.write(read(decision), at=at)
    (other,) = house.made.write(allowed(places[1], "g-9", employee="cs.lee"), at=places[1])
    house.made.write(read(other), at=places[1])
    house.settle()
    assert house.compare()[0] == 0
    tamper(house, decision, places[1])
    code, answer = house.compare()
    assert (code, answer["equal"]) == (5, False)
    assert {each["grant_id"]: each["differs"] for each in answer["differences"]} == differs
    assert [each["log_id"] for each in answer["blocks"]] == ([] if whole else [decision.partition("-")[0]])
    code, text = house.run()
    assert code == 5
    assert "g-1" in text
    assert "crm.member.name" in text


def test_a_deleted_confirmation_is_named_too(house: House):
    (decision,) = house.made.write(allowed(START, "g-1"), at=START)
    (confirmation,) = house.made.write(read(decision), at=START + SECOND)
    house.settle()
    _delete(house, confirmation, START)
    code, answer = house.compare()
    assert (code, [(each["grant_id"], each["elasticsearch"]["uses"]) for each in answer["differences"]]) == (5, [("g-1", 0)])


def test_only_what_is_counted_is_compared_and_nothing_before_it_is_shipped(house: House):
    (decision,) = house.made.write(allowed(START, "g-1"), at=START)
    house.made.write(read(decision), at=START)
    house.settle()
    (later,) = house.made.write(allowed(START + DAY, "g-1"), at=START + DAY)
    house.made.write(read(later), at=START + DAY)
    house.shipped.run()  # and not counted
    code, answer = house.compare()
    assert (code, answer["records"], answer["differences"]) == (0, 2, [])
    (last,) = house.made.write(allowed(START + 2 * DAY, "g-1"), at=START + 2 * DAY)
    house.made.write(read(last), at=START + 2 * DAY)
    house.count()  # and not shipped
    code, answer = house.compare()
    assert (code, answer["equal"], [log["behind"] for log in answer["logs"]]) == (4, False, [True])
    assert house.run()[0] == 4


def test_a_read_whose_log_was_away_when_it_was_confirmed_is_counted_by_neither_until_both_do(house: House):
    (decision,) = house.made.write(allowed(START, "g-1"), slot=0, at=START)
    house.settle()
    away = house.made.folder.journal / house.made.journal(0).log_id
    away.rename(house.made.root / "away")
    house.made.write(read(decision), slot=1, at=START)
    house.settle()
    (house.made.root / "away").rename(away)
    code, answer = house.compare()
    assert (code, len(answer["logs"]), answer["permissions"], answer["differences"]) == (0, 2, 0, [])
    house.settle()
    code, answer = house.compare()
    assert (code, answer["permissions"], answer["differences"]) == (0, 1, [])


def test_what_was_never_counted_is_left_out_there_too(house: House):
    for day in range(3):
        (decision,) = house.made.write(allowed(START + day * DAY, "g-1"), at=START + day * DAY)
        house.made.write(read(decision), at=START + day * DAY)
    log_id = house.made.journal().log_id
    with closing(house.made.store()) as store:
        mark = LogMark(log_id, 2, START, START, START, 2)
        assert store.take(Taken(0, mark, {}, {}, Gap(log_id, 0, 2, START, START)))
    house.settle()
    code, answer = house.compare()
    assert (code, answer["records"], answer["differences"]) == (0, 4, [])


def test_what_was_just_shipped_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(usage_compared, "PATIENCE", 60.0)
    (decision,) = house.made.write(allowed(START, "g-1"), at=START)
    house.made.write(read(decision), at=START)
    house.count()
    house.shipped.run()  # and no refresh
    code, answer = house.compare()
    assert (code, answer["permissions"], answer["blocks"]) == (0, 1, [])


def test_what_retention_removed_there_is_compared_from_then_on(house: House):
    for day in (0, 1, 40, 41):
        at = START + day * DAY
        (decision,) = house.made.write(allowed(at, "g-1", *(["g-2"] if day > 1 else [])), at=at)
        house.made.write(read(decision), at=at)
    house.settle()
    since = START + 15 * DAY
    note(house.made.folder.shipping, [(0, since)])
    house.server.call("DELETE", f"/{house.shipped.naming.of_time(START)}")
    code, answer = house.compare()
    assert (code, answer["permissions"], answer["known_in_part"], answer["since"]) == (0, 2, 1, since)
    house.server.call("DELETE", f"{house.place(decision, at)}?refresh=true")
    code, answer = house.compare()
    assert code == 5
    assert {each["grant_id"]: each["differs"] for each in answer["differences"]} == {
        "g-1": ["last_at", "days"],
        "g-2": ["last_at", "uses", "days"],
    }
