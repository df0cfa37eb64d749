"""A review on a real daemon of two workers: planned, decided by those who may, applied and undone everywhere, told and counted."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import grpc
import pytest
from at_workers import at_workers
from e2e_asking import reason_of
from notices.kit import Receiver, secret_file
from review_house import CLI, PATIENCE, House, policies, until
from running import Stubs, serving
from shifted import DAY as SECONDS_OF_A_DAY
from shifted import shifted

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.audit.permission_records import GrantEndedRecord
from munjigi.audit.records import decode
from munjigi.grants.changes import Edit, grant_added, person_changed
from munjigi.grants.ports import LeaseRow
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Fact, Grant, Person
from munjigi.kernel.identity import EMBEDDED_ISSUER, EmployeeKey
from munjigi.kernel.review import ItemVote
from munjigi_client import Client, NotNow, NotPermitted
from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls
from munjigi_client._proto.munjigi.v1 import review_pb2
from munjigi_client._proto.munjigi.v1 import review_pb2 as pb


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("reviews")
    receiver = Receiver()
    settings = {
        "MUNJIGI_POLICY_HOME": str(policies(folder)),
        "MUNJIGI_WORKERS": "2",
        "MUNJIGI_LEASE_SECONDS": "1",
        "MUNJIGI_POLICY_WATCH_SECONDS": "0",
        "MUNJIGI_NOTICE_WEBHOOK": receiver.url,
        "MUNJIGI_NOTICE_WEBHOOK_SECRET": str(secret_file(folder)),
    }
    with receiver.running(), serving(folder / "var", **settings) as daemon, at_workers(daemon, 2) as workers:
        yield House(daemon, workers, receiver)


def test_planned_decided_applied_everywhere_undone_everywhere_told_and_counted(house: House):
    planned = house.plan("by_name", request_id="first")
    review = planned.review
    assert house.plan("by_name", request_id="first") == planned  # idempotent
    assert (review.state, review.items, planned.record_id != "") == (pb.REVIEW_STATE_OPEN, 4, True)
    until(lambda: house.metric('munjigi_review_items{kind="by_name",state="open"}') == 4, "the follower counts")
    mine = house.items(review, "cs.lee", to_decide=True)
    assert sorted(each.employee for each in mine) == ["cs.kim", "fraud.choi", "mkt.park"]  # not their own
    assert all("cs.lee" in each.reviewers for each in mine)
    house.decide_all(review, revoke="cs.kim")
    assert house.verdicts() == {"DECISION_ALLOW"}
    done = house.apply(review, request_id="apply-1")
    assert (done.applied, done.left, done.review.state) == (1, 0, pb.REVIEW_STATE_APPLIED)
    assert done.acknowledgement.leases_run_out == 0
    assert house.verdicts() == {"DECISION_DENY"}
    assert house.apply(review, request_id="apply-1") == done
    undo = calls.UndoReviewRequest(review_id=review.review_id, reason="needed after all", request_id="undo-1")
    undone = house.review.UndoReview(undo, metadata=house.who("dpo.yoon"), timeout=30)
    assert (undone.undone, undone.review.state) == (1, pb.REVIEW_STATE_UNDONE)
    assert house.verdicts() == {"DECISION_ALLOW"}
    again = house.review.UndoReview(
        calls.UndoReviewRequest(review_id=review.review_id, reason="once more"), metadata=house.who("dpo.yoon"), timeout=30
    )
    assert (again.undone, again.record_id) == (0, "")
    told = {"review.applied", "review.undone"}

    def kinds() -> set[str]:
        return {posted.data["type"].removeprefix("munjigi.") for posted in house.receiver.posted}

    until(lambda: told <= kinds(), f"people are told: {kinds()}")
    until(lambda: house.metric("munjigi_review_taken") == 1, "what was taken is counted")
    until(lambda: house.metric("munjigi_review_restored") == 1, "and what came back")
    assert house.metric("munjigi_review_coverage_ratio") > 0.5
    assert house.metric('munjigi_review_undecided_since_timestamp_seconds{kind="by_name"}') == 0
    assert house.metric('munjigi_review_planned_timestamp_seconds{kind="by_name"}') > time.time() - 600
    assert house.metric('munjigi_review_overdue{kind="by_name"}') == 0
    assert house.metric('munjigi_review_stopped_by_spike{kind="by_name"}') == 0
    assert house.metric('munjigi_review_excess_permissions{class="contact"}') == 0  # no plan over use yet
    assert house.metric("munjigi_review_people") == 0


def test_reviewers_and_holders_are_told_of_an_open_review(house: House):
    review = house.plan("careful").review

    def posted() -> list[Any]:
        return [each.data for each in house.receiver.posted if each.data["data"].get("review") == review.review_id]

    try:
        until(lambda: any(each["data"]["recipients"] for each in posted()), "the owner is told")
        told = [each for each in posted() if each["data"]["recipients"]]
        assert {each["type"] for each in told} == {"munjigi.review.opened"}
        assert {account["subject"] for each in told for account in each["data"]["recipients"]} == {"cs.lee", "dpo.yoon"}
        assert "munjigi review decide" in told[0]["data"]["said"]["ko"]["text"]
        with pytest.raises(grpc.RpcError) as early:
            house.apply(review)
        assert reason_of(early.value) == (grpc.StatusCode.FAILED_PRECONDITION, "NOTICE_RUNNING")
    finally:
        house.stop(review)


def test_two_runs_at_once_are_one_and_the_second_plan_is_refused_with_the_firsts_id(house: House):
    review = house.plan("by_name").review
    with pytest.raises(grpc.RpcError) as second:
        house.plan("by_name")
    assert reason_of(second.value) == (grpc.StatusCode.FAILED_PRECONDITION, "REVIEW_RUNNING")
    assert review.review_id in (second.value.details() or "")
    house.decide_all(review, revoke="mkt.park")

    def attempt(stubs: Stubs) -> tuple[int, str]:
        try:
            return house.apply(review, stubs=stubs).applied, ""
        except grpc.RpcError as error:  # the other one was through already
            return 0, reason_of(error)[1]

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(attempt, house.workers.values()))
    assert sum(applied for applied, _ in done) == 1
    assert {reason for _, reason in done} <= {"", "REVIEW_STATE"}
    house.review.UndoReview(
        calls.UndoReviewRequest(review_id=review.review_id, reason="the test is over"), metadata=house.who("dpo.yoon"), timeout=30
    )


def test_nobody_decides_for_themselves_and_who_operates_not_instead_of_others(house: House):
    review = house.plan("by_name").review
    try:
        own = next(each for each in house.items(review) if each.employee == "cs.lee")
        other = next(each for each in house.items(review) if each.employee == "cs.kim")
        for who, number, reason in (("cs.lee", own.number, "SELF_REVIEW"), ("dpo.yoon", other.number, "NOT_A_REVIEWER")):
            with pytest.raises(grpc.RpcError) as refused:
                house.decide(review, who, {number: "KEEP"})
            assert reason_of(refused.value) == (grpc.StatusCode.PERMISSION_DENIED, reason)
        assert [each.employee for each in house.items(review, "cs.kim", employee="cs.kim")] == ["cs.kim"]
        with pytest.raises(grpc.RpcError) as hidden:
            house.items(review, "cs.kim")
        assert hidden.value.code() == grpc.StatusCode.PERMISSION_DENIED
        said = calls.ReviewDecision(number=other.number, word=pb.REVIEW_WORD_KEEP, reason="ask 010-1234-5678")
        wanted = calls.DecideItemRequest(review_id=review.review_id, plan_digest=review.plan_digest, decisions=[said])
        with pytest.raises(grpc.RpcError) as typed:
            house.review.DecideItem(wanted, metadata=house.who("cs.lee"), timeout=30)
        assert reason_of(typed.value) == (grpc.StatusCode.INVALID_ARGUMENT, "PERSONAL_DATA_IN_REASON")
        wanted.plan_digest, said.reason = "0" * 64, "works by it"
        with pytest.raises(grpc.RpcError) as stale:
            house.review.DecideItem(wanted, metadata=house.who("cs.lee"), timeout=30)
        assert reason_of(stale.value)[1] == "REVIEW_PLAN_OTHER"
    finally:
        house.stop(review)


def test_the_caps_take_two_people(house: House):
    review = house.plan("capped").review
    for who in ("cs.lee", "dpo.yoon"):
        house.decide(review, who, {each.number: "SUSPEND" for each in house.items(review, who, to_decide=True)})
    with pytest.raises(grpc.RpcError) as capped:
        house.apply(review)
    assert reason_of(capped.value) == (grpc.StatusCode.FAILED_PRECONDITION, "CAP_EXCEEDED")
    first = house.apply(review, over_caps=True, reason="all of them")
    assert (first.more, first.review.over_caps_by) == (False, ["dpo.yoon"])
    with pytest.raises(grpc.RpcError) as twice:
        house.apply(review, over_caps=True, reason="I mean it")
    assert reason_of(twice.value)[1] == "OVERRIDE_SAID"
    assert house.apply(review, "sec.han", over_caps=True, reason="agreed").more
    assert house.apply(review).applied == 4
    assert house.verdicts() == {"DECISION_DENY"}
    undo = calls.UndoReviewRequest(review_id=review.review_id, reason="the test is over")
    assert house.review.UndoReview(undo, metadata=house.who("dpo.yoon"), timeout=30).undone == 4
    assert house.verdicts() == {"DECISION_ALLOW"}


def test_an_exception_takes_two_people(house: House):
    review = house.plan("by_name").review
    try:
        item = next(each for each in house.items(review) if each.employee == "cs.kim")
        wanted = calls.RequestExceptionRequest(
            review_id=review.review_id,
            number=item.number,
            reason="covers for a colleague",
            expires_at=time.time_ns() + 30 * 86_400 * SECOND,
        )
        asked = house.review.RequestException(wanted, metadata=house.who("cs.kim"), timeout=30).exception
        approve = calls.ApproveExceptionRequest(exception_id=asked.exception_id)
        with pytest.raises(grpc.RpcError) as own:
            house.review.ApproveException(approve, metadata=house.who("cs.kim"), timeout=30)
        assert reason_of(own.value) == (grpc.StatusCode.PERMISSION_DENIED, "SELF_APPROVAL")
        approved = house.review.ApproveException(approve, metadata=house.who("cs.lee"), timeout=30).exception
        assert approved.approved_by == "cs.lee"
        (shown,) = house.items(review, "cs.kim", employee="cs.kim")
        assert (shown.word, shown.note, shown.exception.exception_id) == (pb.REVIEW_WORD_KEEP, "EXCEPTED", asked.exception_id)
        until(lambda: house.metric("munjigi_review_exceptions") == 1, "it is counted")
    finally:
        house.stop(review)


def test_pages_go_through_every_item_once(house: House):
    review = house.plan("by_name").review
    try:
        found, token = [], ""
        while True:
            page = house.review.ListReviewItems(
                calls.ListReviewItemsRequest(review_id=review.review_id, page_size=3, page_token=token),
                metadata=house.who("dpo.yoon"),
                timeout=30,
            )
            found += [each.number for each in page.items]
            token = page.next_page_token
            if not token:
                break
        assert found == list(range(review.items))
        listed = house.review.ListReviews(
            calls.ListReviewsRequest(everyone=True, page_size=1), metadata=house.who("dpo.yoon"), timeout=30
        )
        assert ([each.review_id for each in listed.reviews], bool(listed.next_page_token)) == ([review.review_id], True)
        with pytest.raises(grpc.RpcError) as odd:
            house.review.ListReviews(calls.ListReviewsRequest(page_token="x"), metadata=house.who("dpo.yoon"), timeout=30)
        assert reason_of(odd.value)[1] == "PAGE_TOKEN_INVALID"
    finally:
        house.stop(review)


def test_the_client_speaks_reviews(house: House):
    house.daemon.credentials("dpo.yoon", CLI)

    def client(name: str) -> Client:
        (_, bearer), (_, tool) = house.who(name)
        return Client(house.daemon.grpc_address, employee_token=bearer.removeprefix("Bearer "), tool_token=tool, timeout=60)

    with client("dpo.yoon") as officer, client("cs.lee") as owner:
        tried = officer.plan_review("by_name", dry_run=True, months=1)
        assert (tried.record_id, tried.review.review_id, len(tried.items)) == ("", "", 4)
        assert [point.grants for point in tried.excess] == [0, 4]
        planned = officer.plan_review("by_name")
        try:
            with pytest.raises(NotPermitted):
                owner.plan_review("by_name")
            mine = [each.number for each in owner.review_items(planned.review.review_id, to_decide=True)]
            decided = owner.decide_items(planned.review, mine, "keep", reason="all of them work by it")
            assert {each.word for each in decided} == {"keep"}
            assert [each.review_id for each in officer.reviews(state="open")] == [planned.review.review_id]
            with pytest.raises(NotNow) as refused:
                officer.apply_review(planned.review)
            assert refused.value.reason == "ITEMS_UNDECIDED"  # cs.lee's own is for others
        finally:
            stopped = officer.stop_review(planned.review.review_id, reason="the test is over")
        assert stopped.state == "stopped"
        assert officer.review(planned.review.review_id).state == "stopped"


def test_a_log_that_nobody_counts_is_a_gap_and_the_command_ends_with_four(house: House):
    store = SqliteStateStore(house.daemon.state_dir / "state.sqlite")
    lease = LeaseRow("zzzzzzzzzzzzzzzzzzzz", 0, 1, SECOND)
    try:
        store.renew_lease(lease)  # a worker of another host, whose follower counts nothing
        ended = house.command("review", "plan", "unused")
        assert ended.returncode == 4, ended.stderr
        assert "zzzzzzzzzzzzzzzzzzzz" in ended.stderr
        assert "USAGE_GAP" in ended.stderr
    finally:
        store.end_lease(lease)
        store.close()


class Terminal:
    """A command on a terminal, driven by keys."""

    def __init__(self, house: House, who: str, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        line = [sys.executable, "-m", "munjigi.cli.main", *arguments, "--as", who]
        environment = {**house.daemon.environment, "TERM": "dumb", "COLUMNS": "120"}
        self._process = subprocess.Popen(line, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
        os.close(theirs)
        self.said, self._seen = "", 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._ours)

    def wait_for(self, text: str) -> None:
        """Read until a text comes, after what was waited for before."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.said.find(text, self._seen)) < 0:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} did not come:\n{self.said}"
            if select.select([self._ours], [], [], min(left, 1.0))[0]:
                self.said += os.read(self._ours, 65_536).decode(errors="replace")
        self._seen = found + len(text)

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def end(self) -> int:
        return self._process.wait(PATIENCE)


def test_items_are_decided_by_keyboard_with_their_evidence(house: House):
    review = house.plan("by_name").review
    try:
        waits = len(house.items(review, "cs.lee", to_decide=True))
        ended = house.command("review", "decide", review.review_id, who="cs.lee")
        assert (ended.returncode, "There is no terminal" in ended.stderr) == (2, True)
        with Terminal(house, "cs.lee", "review", "decide", review.review_id) as terminal:
            terminal.wait_for(f"1 of {waits}, 0 decided")
            terminal.wait_for("q quit")
            terminal.press("e")
            terminal.wait_for("not used")
            terminal.press("\r")
            terminal.wait_for("The plan proposes nothing here")
            terminal.press("k")
            terminal.wait_for("Why keep")
            terminal.press("works at the desk\n")
            terminal.wait_for(f"2 of {waits}, 1 decided")
            terminal.press("r")
            terminal.wait_for("Why revoke")
            terminal.press("\n")
            terminal.wait_for("Nothing was decided")
            terminal.press("s")
            terminal.wait_for("Why suspend")
            terminal.press("on another project\n")
            if waits > 2:
                terminal.wait_for(f"3 of {waits}, 2 decided")
                terminal.press("q")
            terminal.wait_for(f"2 decided, {waits - 2} left." if waits > 2 else "All 2 decided.")
            assert terminal.end() == 0
        words = [pb.ReviewWord.Name(each.word) for each in house.items(review) if each.word]
        assert sorted(words) == ["REVIEW_WORD_KEEP", "REVIEW_WORD_SUSPEND"]
        found = house.command("audit", "search", "--event-type", "review.decided", "--output", "ndjson", "--limit", "2").stdout
        votes = [ItemVote(*json.loads(line)["content"]["items"][0]["votes"][0]) for line in found.splitlines()]
        assert [vote.evidence for vote in votes] == [False, True]  # newest first
        assert all(vote.spent > 0 for vote in votes)
    finally:
        house.stop(review)


def test_the_report_is_the_one_that_its_record_names(house: House, tmp_path: Path):
    review = house.plan("by_name").review
    try:
        house.decide_all(review)
        made = house.command("report", "review", review.review_id, "--out", str(tmp_path / "out"))
        assert made.returncode == 0, made.stderr
        found = house.command("audit", "search", "--event-type", "review.report", "--output", "json")
        assert review.review_id in found.stdout
        for name in ("review.ko.html", "review.en.html"):
            digest = next(line.split()[0] for line in made.stdout.splitlines() if line.endswith(name))
            page = (tmp_path / "out" / name).read_text()
            assert digest in found.stdout
            assert review.plan_digest in page
            assert "<script" not in page
            assert "http" not in page.replace("http-equiv", "")
    finally:
        house.stop(review)


def _many(count: int, now: int) -> list[Edit]:
    """People of customer service who hold its role: made up, and nobody's names."""
    edits: list[Edit] = []
    for number in range(count):
        account = EmployeeKey(EMBEDDED_ISSUER, f"test.{number:05}")
        facts = tuple(Fact(kind, now, now + 365 * 86_400 * SECOND, "test") for kind in ("pledge", "training", "device"))
        edits.append(person_changed(Person(f"p.test.{number:05}", "employee", "customer-service", (account,), facts)))
        grant = Grant(f"g.test.{number:05}", account, "cs_agent", "inquiry", now, now + 300 * 86_400 * SECOND, ("cs.lee",))
        edits.append(grant_added(grant))
    return edits


def test_killed_while_it_is_applied_it_goes_on_and_takes_nothing_twice(tmp_path: Path):
    many, settings = 3_000, {"MUNJIGI_POLICY_HOME": str(policies(tmp_path)), "MUNJIGI_POLICY_WATCH_SECONDS": "0"}
    with serving(tmp_path / "var", **settings):
        pass
    store = SqliteStateStore(tmp_path / "var" / "state.sqlite")
    now = time.time_ns()
    store.apply(_many(many, now), at=now, actor="test", request_id="")
    try:
        with serving(tmp_path / "var", **settings) as daemon, daemon.channel() as channel:
            house = House(daemon, {"": Stubs(channel)}, Receiver())
            review = house.plan("by_name").review
            for who in ("cs.lee", "dpo.yoon"):
                while items := house.items(review, who, to_decide=True, page_size=1000):
                    house.decide(
                        review, who, {each.number: "REVOKE" if each.employee.startswith("test.") else "KEEP" for each in items}
                    )

            def run() -> None:
                with suppress(grpc.RpcError):  # the server goes while it answers
                    while house.apply(review).more:
                        pass

            running = threading.Thread(target=run)
            begun = store.log_head().next_index + 200  # the run's first pieces
            running.start()
            deadline = time.monotonic() + PATIENCE
            while store.log_head().next_index < begun:
                assert time.monotonic() < deadline, "the run does not begin"
            for worker in daemon.workers():
                os.kill(worker, signal.SIGKILL)
            daemon.stop(signal.SIGKILL)
            running.join()
        before = _ended(store)
        assert 0 < before < many
        with serving(tmp_path / "var", **settings) as daemon, daemon.channel() as channel:
            house = House(daemon, {"": Stubs(channel)}, Receiver())
            applied, more = 0, True
            while (
                more
                and house.review.GetReview(
                    calls.GetReviewRequest(review_id=review.review_id), metadata=house.who("dpo.yoon"), timeout=30
                ).review.state
                != pb.REVIEW_STATE_APPLIED
            ):
                done = house.apply(review)
                applied, more = applied + done.applied, done.more
            shown = house.review.GetReview(
                calls.GetReviewRequest(review_id=review.review_id), metadata=house.who("dpo.yoon"), timeout=30
            ).review
            assert {each.name: each.items for each in shown.states}["applied"] >= many
        print(f"{before} of {many} were taken when it was killed, {applied} afterwards")
        records = (decode(row.payload) for row in store.log_rows(0, 100_000))
        ended = Counter(record.grant_id for record in records if isinstance(record, GrantEndedRecord))
        assert set(ended.values()) == {1}
        assert sum(name.startswith("g.test.") for name in ended) == many
    finally:
        store.close()


def _ended(store: SqliteStateStore) -> int:
    return sum(grant.ended != "" for grant in store.load().grants)


def test_by_schedule_a_review_opens_itself_on_a_working_day(tmp_path: Path):
    settings = {"MUNJIGI_POLICY_HOME": str(policies(tmp_path)), "MUNJIGI_REVIEWS": "scheduled", "MUNJIGI_LEASE_SECONDS": "1"}
    with shifted(tmp_path / "var", **settings) as (daemon, shift), daemon.channel() as channel:
        stubs = Stubs(channel)

        def reviews() -> list[pb.Review]:
            asked = calls.ListReviewsRequest(everyone=True)
            return list(stubs.review.ListReviews(asked, metadata=shift.credentials(daemon, "dpo.yoon", CLI), timeout=30).reviews)

        assert reviews() == []
        seoul = (time.time() + 9 * 3600) % SECONDS_OF_A_DAY
        ahead = 40 * SECONDS_OF_A_DAY + int(11 * 3600 - seoul)  # eleven o'clock in Seoul
        weekday = time.gmtime(time.time() + 9 * 3600 + ahead).tm_wday
        ahead += {5: 2, 6: 1}.get(weekday, 0) * SECONDS_OF_A_DAY
        shift.to(ahead)
        until(lambda: bool(reviews()), f"a review opens by itself: {daemon.text[-3000:]}")
        (opened,) = reviews()
        assert (opened.kind, opened.opened_by, opened.state) == ("by_name", "", review_pb2.REVIEW_STATE_OPEN)
