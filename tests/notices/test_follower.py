"""The real follower tells people: at once, at least once under one id, whatever the receiver does; and nothing else waits for it."""

from __future__ import annotations

import random
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from notices.kit import DAY, House, PostBox, Posted, Receiver, asking, emergency, made, outbox_of, secret_file, until

from munjigi.app.duty import SCHEDULER
from munjigi.grants.ports import DutyRow
from munjigi.kernel.clock import SECOND

WARM = 100  # notices
LONG = 300.0  # seconds; a busy machine makes a few notices a second


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def house(tmp_path: Path, receiver: Receiver) -> Iterator[House]:
    found = House(tmp_path, notice_webhook=receiver.url, notice_webhook_secret=secret_file(tmp_path), notice_language="en")
    try:
        yield found
    finally:
        found.stop()
        found.close()


def metrics_of(house: House) -> str:
    with urllib.request.urlopen(f"http://{house.http_address}/metrics", timeout=5) as answer:
        return answer.read().decode()


def by_mail(box: PostBox) -> dict[str, Any]:
    """Return the settings of a follower that mails through this relay."""
    return {
        "notice_smtp": f"127.0.0.1:{box.port}",
        "notice_smtp_security": "plain",
        "notice_sender": "munjigi@example.com",
        "notice_address": "{subject}@example.com",
    }


def kinds(receiver: Receiver) -> list[str]:
    return [each.data["type"] for each in receiver.posted]


def test_a_request_reaches_the_webhook_and_its_owner_by_mail(house: House, receiver: Receiver):
    box = PostBox()
    house.settings |= by_mail(box)
    with receiver.running(), box.running(), house.running():
        revision = house.apply(made(asking(1, time.time_ns())))
        until(lambda: bool(receiver.posted and box.mails), what=house.output)
    (posted,), (mail,) = receiver.posted, box.mails
    assert posted.signed_with()
    assert posted.id == f"{house.store.log_head().log_id}-{revision - 1}"
    data = posted.data["data"]
    assert (posted.data["type"], data["holder"], data["severity"]) == ("munjigi.request.made", "new.oh", "info")
    assert [each["subject"] for each in data["recipients"]] == ["cs.lee"]
    assert "munjigi approve ar-1" in data["said"]["en"]["text"]
    assert box.envelopes == [("munjigi@example.com", ["cs.lee@example.com"])]
    assert "munjigi approve ar-1" in mail.get_content()
    assert mail["Auto-Submitted"] == "auto-generated"


def test_break_glass_is_said_at_once_with_its_severity(house: House, receiver: Receiver):
    with receiver.running(), house.running():
        house.apply(made(asking(1, time.time_ns())))
        until(lambda: len(receiver.posted) == 1, what=house.output)
        began = time.monotonic()
        house.apply(emergency(1, time.time_ns()))
        until(lambda: len(receiver.posted) == 2, what=house.output)
        took = receiver.posted[-1].at - began
    print(f"from the commit to the receiver: {took * 1000:.0f} ms")
    alarm = receiver.posted[-1].data
    assert (alarm["type"], alarm["data"]["severity"]) == ("munjigi.break_glass.taken", "critical")
    assert "cs.lee" in [each["subject"] for each in alarm["data"]["recipients"]]
    assert took < 15  # 0.15 s where nothing else runs


def test_killed_between_delivery_and_what_remembers_it_the_same_notice_comes_again_under_its_id(house: House, receiver: Receiver):
    def kill_the_first_time(_posted: Posted) -> tuple[int, dict[str, str]]:
        if len(receiver.posted) == 1:
            house.kill()
        return 200, {}

    receiver.answer = kill_the_first_time
    with receiver.running():
        process = house.start()
        house.apply(made(asking(1, time.time_ns())))
        until(lambda: process.poll() is not None, what=house.output)
        with house.running():
            house.apply(made(asking(2, time.time_ns())))
            until(lambda: len(receiver.posted) == 3, what=house.output)
    first, again, other = sorted(receiver.posted, key=lambda each: (each.data["data"]["request"], each.at))
    assert first.id == again.id != other.id
    assert first.body == again.body
    assert all(each.signed_with() for each in receiver.posted)


class CrashingBox(PostBox):
    """A relay whose sender is killed when it has taken the first mail, before it can say so."""

    house: House

    async def handle_DATA(self, *arguments: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        said = await super().handle_DATA(*arguments)
        if len(self.mails) == 1:
            assert self.house.process is not None
            self.house.process.kill()
        return said


def test_killed_when_the_relay_had_taken_a_mail_the_same_mail_comes_again_and_is_known_by_its_message_id(house: House):
    box = CrashingBox()
    box.house = house
    house.settings = {"lease_seconds": 1.0, "notice_language": "both"} | by_mail(box)
    with box.running():
        process = house.start()
        house.apply(made(asking(1, time.time_ns())))
        until(lambda: process.poll() is not None, what=house.output)
        house.kill()  # it is dead: what is left of it here is closed
        with house.running():
            house.apply(made(asking(2, time.time_ns())))
            until(lambda: len(box.mails) == 3, what=house.output)
    first, *later = box.mails
    (again,) = (each for each in later if each["Message-ID"] == first["Message-ID"])
    (other,) = (each for each in later if each is not again)
    assert again.as_bytes() == first.as_bytes()  # a mailbox that drops what it has can't lose anything by it
    assert "munjigi approve ar-1" in again.get_content()
    assert "munjigi approve ar-2" in other.get_content()
    assert box.envelopes[0] == box.envelopes[1 + later.index(again)]


def test_a_duty_that_somebody_else_has_is_waited_for_as_long_as_its_lease_and_then_taken_over(house: House, receiver: Receiver):
    lease = 2.0
    house.store.replace_duty(DutyRow(SCHEDULER, "elsewhere", 7, 1, int(lease * SECOND)), None)
    began = time.monotonic()
    with receiver.running(), house.running():
        house.apply(made(asking(1, time.time_ns())))
        until(lambda: bool(receiver.posted), what=house.output)
    assert receiver.posted[0].at - began > 1.1 * lease  # it can't have seen the lease before it was started
    row = house.store.duty(SCHEDULER)
    assert row is not None
    assert (row.fence, row.length) == (8, 0)  # taken over, and left at the stop


def test_a_follower_that_waits_for_the_duty_does_its_other_work_tells_nobody_and_stops_at_once(house: House, receiver: Receiver):
    box = PostBox()
    house.settings |= by_mail(box)
    held = DutyRow(SCHEDULER, "elsewhere", 7, 1, 24 * 3600 * SECOND)
    house.store.replace_duty(held, None)
    checkpoint = house.state.seal / "checkpoint"
    with receiver.running(), box.running():
        house.start()
        house.apply(made(asking(1, time.time_ns())))
        sealed = checkpoint.read_bytes() if checkpoint.exists() else b""
        until(lambda: checkpoint.exists() and checkpoint.read_bytes() != sealed, what=house.output)
        until(lambda: "munjigi_scheduler_holder 0.0" in metrics_of(house), what=house.output)
        assert 'munjigi_follower_job_failing{follower_job="notify"} 0.0' in metrics_of(house)
        took = house.stop()
    assert took < 30  # 0.3 s where nothing else runs
    assert (receiver.posted, box.mails) == ([], [])
    assert house.store.duty(SCHEDULER) == held


def test_killed_before_the_cursor_moves_nothing_is_lost_and_nothing_is_told_twice(house: House, receiver: Receiver):
    with receiver.running():
        for number in range(4):
            house.start()
            house.apply(made(asking(number, time.time_ns())))
            time.sleep(0.1 * number)
            house.kill()
        with house.running():
            until(lambda: len({each.id for each in receiver.posted}) == 4, what=house.output)
    assert {each.data["data"]["request"] for each in receiver.posted} == {f"ar-{number}" for number in range(4)}


def test_a_receiver_that_is_away_for_long_gets_everything_and_costs_no_memory(house: House, receiver: Receiver):
    with house.running():
        process = psutil.Process(house.process.pid)
        outbox = outbox_of(house.store)
        house.apply(*(made(asking(number, time.time_ns())) for number in range(WARM)))
        until(lambda: outbox.waiting("webhook").waiting == WARM, LONG, house.output)
        until(lambda: "RECEIVER_UNREACHABLE" in {each.reason for each in outbox.due("webhook", 2**62, WARM)}, LONG, house.output)
        before = process.memory_info().rss  # with all that it has loaded to make notices and to fail to deliver them
        house.apply(*(made(asking(number, time.time_ns())) for number in range(WARM, 1500)))
        until(lambda: outbox.waiting("webhook").waiting == 1500, LONG, house.output)
        grown = process.memory_info().rss - before
        print(f"1,500 notices wait; the follower grew by {grown / 2**20:.1f} MiB")
        assert grown < 24 << 20
        assert not receiver.posted
        assert outbox.due("webhook", time.time_ns(), 1)[0].reason in ("", "RECEIVER_UNREACHABLE")
        with receiver.running():
            until(lambda: len({each.id for each in receiver.posted}) == 1500, LONG, house.output)
    assert len({each.data["data"]["request"] for each in receiver.posted}) == 1500
    assert all(each.signed_with() for each in receiver.posted[::100])


def test_a_slow_receiver_holds_up_no_other_job_no_stop_and_no_mail(house: House, receiver: Receiver):
    def never(_posted: Posted) -> tuple[int, dict[str, str]]:
        time.sleep(20)
        return 200, {}

    receiver.answer = never
    box = PostBox()
    house.settings |= by_mail(box)
    checkpoint = house.state.seal / "checkpoint"
    with receiver.running(), box.running():
        with house.running():
            house.apply(made(asking(1, time.time_ns())))
            until(lambda: bool(receiver.posted), what=house.output)
            sealed = checkpoint.read_bytes()
            house.apply(made(asking(2, time.time_ns())))
            until(lambda: len(box.mails) == 2 and checkpoint.read_bytes() != sealed, what=house.output)
            for wanted in ('munjigi_follower_job_failing{follower_job="notify"} 0.0', "munjigi_scheduler_holder 1.0"):
                until(lambda wanted=wanted: wanted in metrics_of(house), what=house.output)
            began = time.monotonic()
        assert time.monotonic() - began < 15  # and not the 20 s of the receiver
    assert "Traceback" not in house.output()


def test_what_time_brings_about_is_said_once_however_often_it_is_looked_for(house: House, receiver: Receiver):
    now = time.time_ns()
    waiting = asking(1, now - 3 * DAY, lapses_at=now + 10 * DAY)
    house.store.apply([made(waiting)], at=now - 3 * DAY, actor="new.oh", request_id="test")
    with receiver.running():
        for _ in range(2):
            with house.running():
                until(lambda: bool(receiver.posted), what=house.output)
                house.apply(made(asking(2 + len(receiver.posted), now)))
                until(lambda: kinds(receiver)[-1] == "munjigi.request.made", what=house.output)
    assert kinds(receiver).count("munjigi.request.waiting") == 1
    (said,) = (each for each in receiver.posted if each.data["type"] == "munjigi.request.waiting")
    assert said.data["data"]["waited"] == "3"
    assert said.id.startswith("due-")


def test_what_is_older_than_a_day_is_not_told_when_notices_are_switched_on(house: House, receiver: Receiver):
    with receiver.running(), house.running():  # the sample company is 200 days old
        house.apply(made(asking(1, time.time_ns())))
        until(lambda: bool(receiver.posted), what=house.output)
    assert kinds(receiver) == ["munjigi.request.made"]


def test_a_secret_that_was_lost_fails_this_job_alone_until_it_is_back(house: House, receiver: Receiver, tmp_path: Path):
    (tmp_path / "webhook.secret").unlink()
    with receiver.running(), house.running():
        house.apply(made(asking(1, time.time_ns())))
        until(lambda: "NOTICE_SECRET_INVALID" in house.output(), what=house.output)
        sealed = (house.state.seal / "checkpoint").read_bytes()
        house.apply(made(asking(2, time.time_ns())))
        until(lambda: (house.state.seal / "checkpoint").read_bytes() != sealed, what=house.output)
        secret_file(tmp_path)
        until(lambda: len(receiver.posted) == 2, what=house.output)
    assert all(each.signed_with() for each in receiver.posted)


def test_p5_neither_the_log_nor_metrics_name_anybody(house: House, receiver: Receiver):
    receiver.answer = lambda _posted: (400, {})
    with receiver.running(), house.running():
        house.apply(made(asking(1, time.time_ns())))
        until(lambda: bool(receiver.posted), what=house.output)
        until(lambda: "munjigi_notices_made_total" in metrics_of(house))
        metrics = metrics_of(house)
    assert 'munjigi_notices_made_total{kind="request.made",severity="info"} 1.0' in metrics
    for text in (metrics, house.output()):
        assert "new.oh" not in text
        assert "the new desk" not in text


@pytest.mark.torture
def test_killed_forty_times_while_requests_come_in_everything_is_told(house: House, receiver: Receiver):
    chosen = random.Random(6)
    taken: dict[str, str] = {}
    moody = True

    def answer(posted: Posted) -> tuple[int, dict[str, str]]:
        status = chosen.choice((200, 200, 200, 400, 503)) if moody else 200
        if status == 200:
            taken.setdefault(posted.id, posted.data["data"]["request"])
        return status, {}

    receiver.answer = answer
    number = 0
    with receiver.running():
        for _ in range(40):
            house.start()
            before = len(receiver.posted)
            for _ in range(5):
                house.apply(made(asking(number, time.time_ns())))
                number += 1
            until(lambda before=before: len(receiver.posted) > before, what=house.output)
            time.sleep(chosen.uniform(0, 0.2))
            house.kill()
        moody = False
        outbox = outbox_of(house.store)

        def done() -> bool:
            waiting = [each.letter.letter_id for each in outbox.letters(dead=False, limit=9999)]
            if waiting:
                outbox.retry(waiting, now=0)
            return not waiting and outbox.cursor(house.store.log_head().log_id) == house.store.log_head().next_index

        with house.running():
            until(done, 120, house.output)
    assert sorted(taken.values()) == sorted(f"ar-{each}" for each in range(number))
    assert len({each.id for each in receiver.posted}) == number  # told again, and never under another id
    print(f"{number} requests, {len(receiver.posted)} posts, {len(taken)} notices taken")
