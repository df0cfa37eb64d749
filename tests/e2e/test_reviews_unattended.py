"""What the schedule does on a real daemon: applies after the notice, undoes on a spike of denials. And what two people do: close a lost log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from e2e_asking import reason_of
from notices.kit import Receiver, secret_file
from review.usage_kit import sample_bundle
from review_house import House, policies, until
from running import Stubs, serving
from shifted import DAY, shifted

from munjigi.adapters.usage.store import SqlUsageStore, UsageFile
from munjigi.app.files import StateFolder
from munjigi.app.state import read_state
from munjigi.audit.permission_records import PermissionRecord
from munjigi.audit.records import decode
from munjigi.audit.review_records import ItemsAppliedRecord, LogClosedRecord, ReviewClosedRecord
from munjigi.kernel.clock import SECOND
from munjigi.review.ports import LogMark, Taken
from munjigi.review.schedule import at_work
from munjigi_client._proto.munjigi.v1 import review_pb2 as pb

HOUR = 3600 * SECOND
LOST = "lost0000000000000000"
BACK = "back0000000000000000"
REVIEWS = """
[reviews.careful]
title = "With notice and a share that goes first"
judges = "holders"
who = "ordinary"
auto_revoke = false
notice_days = 7
cap_grants_percent = 100
cap_team_percent = 100
canary_hours = 24

[reviews.unused]
title = "Rights that nobody uses"
judges = "use"
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("unattended")
    settings = {
        "MUNJIGI_POLICY_HOME": str(policies(folder, REVIEWS)),
        "MUNJIGI_REVIEWS": "scheduled",
        "MUNJIGI_LEASE_SECONDS": "1",
        "MUNJIGI_POLICY_WATCH_SECONDS": "0",
    }
    with shifted(folder / "var", **settings) as (daemon, shift), daemon.channel() as channel:
        yield House(daemon, {"": Stubs(channel)}, Receiver(), shift)


def days_on(house: House, days: int) -> None:
    """Set the clock so many days on, or as many more as it takes until people are in the middle of their work."""
    calendar, shift = sample_bundle().calendar, house.shift
    assert shift is not None
    ahead = shift.seconds + days * DAY
    while not all(at_work(calendar, time.time_ns() + ahead * SECOND + hours * HOUR) for hours in (-1, 3)):
        ahead += 3600
    shift.to(ahead)


def records(house: House) -> list[PermissionRecord]:
    with closing(read_state(StateFolder(house.daemon.state_dir))) as store:
        found = [decode(row.payload) for row in store.log_rows(0, 100_000)]
    return [each for each in found if isinstance(each, PermissionRecord)]


def decided(house: House, revoke: str) -> pb.Review:
    review = house.plan("careful").review
    house.decide_all(review, revoke=revoke)
    with pytest.raises(grpc.RpcError) as early:
        house.apply(review)
    assert reason_of(early.value)[1] == "NOTICE_RUNNING"
    days_on(house, 8)
    until(lambda: bool(state_of(house, review, revoke)), f"the share that goes first is taken: {house.daemon.text[-3000:]}")
    return review


def state_of(house: House, review: pb.Review, employee: str) -> str:
    """What became of somebody's item; empty before it was done."""
    (item,) = [each for each in house.items(review) if each.employee == employee]
    name = pb.ReviewItemState.Name(item.state).removeprefix("REVIEW_ITEM_STATE_")
    return "" if name == "DECIDED" else name


def test_by_schedule_what_was_decided_is_applied_after_its_notice_and_the_wait_of_its_first_share(house: House):
    review = decided(house, "mkt.park")
    assert state_of(house, review, "mkt.park") == "APPLIED"
    shown = house.shown(review)
    assert shown.state == pb.REVIEW_STATE_APPLYING  # the first share is watched for a day
    days_on(house, 1)
    until(lambda: house.shown(review).state == pb.REVIEW_STATE_APPLIED, f"the run ends: {house.daemon.text[-3000:]}")
    mine = [each for each in records(house) if getattr(each, "review_id", "") == review.review_id]
    taken = next(each for each in mine if isinstance(each, ItemsAppliedRecord))
    closed = next(each for each in mine if isinstance(each, ReviewClosedRecord))
    assert review.apply_from <= taken.time <= closed.time - 24 * HOUR + HOUR
    assert (taken.issuer, closed.issuer) == ("", "")  # a program's, nobody's account
    assert [each.person_id for each in taken.items] == ["p.mkt.park"]


def test_by_schedule_a_spike_of_denials_stops_the_run_and_gives_the_share_back(house: House):
    assert house.verdicts() == {"DECISION_ALLOW"}
    review = decided(house, "cs.kim")
    until(lambda: house.verdicts() == {"DECISION_DENY"}, "its holder works, and is denied")
    until(lambda: house.shown(review).state == pb.REVIEW_STATE_UNDONE, f"it is undone: {house.daemon.text[-3000:]}")
    assert state_of(house, review, "cs.kim") == "UNDONE"
    until(lambda: house.verdicts() == {"DECISION_ALLOW"}, "everybody who lost it has it again")
    (stopped,) = [
        each
        for each in records(house)
        if isinstance(each, ReviewClosedRecord) and each.review_id == review.review_id and each.review_state == "stopped"
    ]
    assert (stopped.why, stopped.issuer) == ("SPIKE", "")
    assert house.shown(review).reason == "SPIKE"
    until(lambda: house.metric("munjigi_review_restored") >= 1, "and it is counted")


def test_r11_two_people_close_the_log_of_a_host_that_is_lost(tmp_path: Path):
    settings = {"MUNJIGI_POLICY_HOME": str(policies(tmp_path, REVIEWS)), "MUNJIGI_LEASE_SECONDS": "1"}
    state = tmp_path / "var"
    with serving(state, **settings):
        until((state / "usage.sqlite").exists, "use is counted")
    days_ago = time.time_ns() - 20 * DAY * SECOND
    with closing(SqlUsageStore(UsageFile(state / "usage.sqlite"))) as store:
        counted = LogMark(LOST, 40, days_ago - 90 * DAY * SECOND, days_ago, days_ago, 40)
        assert store.take(Taken(0, counted, {}, {}))  # of another host, which was counted until it was lost
    receiver = Receiver()
    notices = {"MUNJIGI_NOTICE_WEBHOOK": receiver.url, "MUNJIGI_NOTICE_WEBHOOK_SECRET": str(secret_file(tmp_path))}
    with receiver.running(), serving(state, **settings, **notices) as daemon, daemon.channel() as channel:
        house = House(daemon, {"": Stubs(channel)}, receiver)

        def told(kind: str) -> list[dict[str, Any]]:
            return [each.data["data"] for each in receiver.posted if each.data["type"] == f"munjigi.review.{kind}"]

        def waits() -> float:
            return house.metric("munjigi_review_log_closing_since_timestamp_seconds")

        refused = house.command("review", "plan", "unused", "--dry-run")
        assert refused.returncode == 4
        assert LOST in refused.stderr
        assert "review close-log" in refused.stderr

        def close(log_id: str, who: str) -> tuple[int, str]:
            done = house.command("review", "close-log", log_id, "--reason", "its disk is broken", who=who)
            return done.returncode, done.stdout + done.stderr

        (own,) = {path.name for path in (state / "journal").iterdir() if path.is_dir() and len(path.name) == len(LOST)}
        for log_id, who, reason in (
            (own, "dpo.yoon", "LOG_NOT_LOST"),
            ("nobody", "dpo.yoon", "LOG_UNKNOWN"),
            (LOST, "cs.kim", "role"),
        ):
            code, said = close(log_id, who)
            assert (code != 0, reason in said) == (True, True), said
        code, said = close(LOST, "dpo.yoon")
        assert (code, "a second person" in said) == (0, True), said
        until(lambda: bool(told("log_closing")), "whoever may say the second word is told")
        (asked,) = told("log_closing")
        assert [each["subject"] for each in asked["recipients"]] == ["sec.han"]
        assert f"munjigi review close-log {LOST}" in asked["said"]["en"]["text"]
        until(lambda: abs(waits() - time.time()) < 600, "it is counted since when it waits")
        code, said = close(LOST, "dpo.yoon")
        assert (code != 0, "CLOSING_SAID" in said) == (True, True), said
        assert house.command("review", "plan", "unused", "--dry-run").returncode == 4  # one word changes nothing
        code, said = close(LOST, "sec.han")
        assert (code, "its use is unknown from" in said) == (0, True), said
        until(lambda: bool(told("log_closed")), "and that it is closed")
        assert [each["subject"] for each in told("log_closed")[0]["recipients"]] == ["dpo.yoon"]
        until(lambda: waits() == 0, "nothing waits any more")
        made = house.command("review", "plan", "unused", "--dry-run")
        assert made.returncode == 0, made.stderr
        (closed,) = [each for each in records(house) if isinstance(each, LogClosedRecord)]
        assert [word.subject for word in closed.words] == ["dpo.yoon", "sec.han"]
        assert (closed.lost_log, closed.unknown_from) == (LOST, days_ago - 60 * SECOND)
        with closing(SqlUsageStore(UsageFile(state / "usage.sqlite"))) as store:
            counted = counted._replace(log_id=BACK)
            assert store.take(Taken(0, counted, {}, {}))
            assert close(BACK, "sec.han")[0] == 0
            until(lambda: waits() > 0, "another one waits")
            assert store.take(Taken(40, counted._replace(complete_to=time.time_ns()), {}, {}))  # its host started after all
        until(lambda: waits() == 0, "nobody can close it any more, so nothing waits")
        assert "LOG_NOT_LOST" in close(BACK, "dpo.yoon")[1]
