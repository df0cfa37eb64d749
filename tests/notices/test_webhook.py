"""The webhook against a real HTTP server: signed as Standard Webhooks has it, honest about what was taken, and never endless."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
import time
from pathlib import Path

import pytest
from notices.kit import KEY, SECRET, Noted, Posted, Receiver, certificates, employee, notice, secret_file

from munjigi.adapters.notices.secret import read_secrets, signature
from munjigi.adapters.notices.webhook import Webhook, WebhookAddress
from munjigi.grants.notices.letters import letters_of
from munjigi.grants.notices.notice import Notice
from munjigi.grants.notices.ports import Letter, Outcome
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.errors import ConfigurationError


def carry(address: WebhookAddress, *notices: Notice) -> list[Outcome]:
    async def run() -> list[Outcome]:
        webhook, noted = Webhook(address, "both", SystemClock()), Noted()
        letters = [Letter(each.id, each, None) for each in notices]
        try:
            await webhook.carry(letters, noted)
        finally:
            await webhook.close()
        return noted.of(letters)

    return asyncio.run(run())


def test_the_signature_is_that_of_the_specifications_own_example():
    # From the reference libraries' tests of standard-webhooks 1.0.0.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature((key,), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_notice_is_posted_with_its_headers_in_both_languages(tmp_path: Path):
    receiver = Receiver()
    with receiver.running():
        assert carry(WebhookAddress(receiver.url, secret_file(tmp_path)), notice()) == [Outcome("sent")]
    (posted,) = receiver.posted
    assert posted.signed_with()
    assert not posted.signed_with(b"another key of more than 24 bytes")
    assert abs(int(posted.headers["webhook-timestamp"]) - time.time()) < 60
    assert posted.headers["content-type"] == "application/json"
    assert set(posted.data) == {"type", "timestamp", "data"}
    assert posted.data["timestamp"] == "2027-01-15T08:00:00.000000000Z"
    said = posted.data["data"]["said"]
    assert set(said) == {"ko", "en"}
    assert all("munjigi approve ar-1" in each["text"] for each in said.values())


def test_while_a_secret_is_replaced_both_sign_and_the_file_is_read_anew(tmp_path: Path):
    old, new = bytes(24), b"n" * 24
    texts = ["whsec_" + base64.b64encode(key).decode() for key in (new, old)]
    receiver = Receiver()
    secret = secret_file(tmp_path, *texts)
    with receiver.running():
        carry(WebhookAddress(receiver.url, secret), notice(1))
        secret_file(tmp_path, texts[0])
        carry(WebhookAddress(receiver.url, secret), notice(2))
    first, second = receiver.posted
    assert first.signed_with(new)
    assert first.signed_with(old)
    assert second.signed_with(new)
    assert not second.signed_with(old)


@pytest.mark.parametrize(
    "line", ["", "whsec_", "whsec_!!", "secret", SECRET.removeprefix("whsec_"), "whsec_" + base64.b64encode(KEY[:23]).decode()]
)
def test_p10_a_secret_that_is_none_is_refused_and_not_repeated(tmp_path: Path, line: str):
    with pytest.raises(ConfigurationError) as refused:
        read_secrets(secret_file(tmp_path, line or " "))
    assert refused.value.reason == "NOTICE_SECRET_INVALID"
    assert len(line) < 8 or line not in refused.value.message


def test_p10_a_secret_that_others_can_read_is_refused(tmp_path: Path):
    path = secret_file(tmp_path)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError) as refused:
        read_secrets(path)
    assert refused.value.reason == "KEY_FILE_EXPOSED"


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (204, {}, Outcome("sent")),
        (400, {}, Outcome("later", "STATUS_400")),
        (422, {}, Outcome("later", "STATUS_422")),
        (401, {}, Outcome("away", "STATUS_401")),
        (410, {}, Outcome("away", "STATUS_410")),
        (500, {}, Outcome("away", "STATUS_500")),
        (503, {"retry-after": "120"}, Outcome("away", "STATUS_503", 120.0)),
        (429, {"retry-after": "99999999"}, Outcome("away", "STATUS_429", 3600.0)),
        (429, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, Outcome("away", "STATUS_429")),
        (302, {"location": "http://127.0.0.1:1/"}, Outcome("away", "STATUS_302")),
    ],
)
def test_what_an_answer_means(tmp_path: Path, status: int, headers: dict[str, str], outcome: Outcome):
    receiver = Receiver(lambda _posted: (status, headers))
    with receiver.running():
        assert carry(WebhookAddress(receiver.url, secret_file(tmp_path)), notice()) == [outcome]
    assert len(receiver.posted) == 1


def test_each_letter_has_its_own_outcome_in_its_place(tmp_path: Path):
    def odd_ones_are_bad(posted: Posted) -> tuple[int, dict[str, str]]:
        return (400 if int(posted.id.rpartition("-")[2]) % 2 else 200), {}

    receiver = Receiver(odd_ones_are_bad)
    with receiver.running():
        outcomes = carry(WebhookAddress(receiver.url, secret_file(tmp_path)), *(notice(number) for number in range(20)))
    assert [each.result for each in outcomes] == ["sent", "later"] * 10


def test_nobody_there_and_an_answer_that_drips(tmp_path: Path):
    receiver = Receiver()
    assert carry(WebhookAddress(receiver.url, secret_file(tmp_path)), notice()) == [Outcome("away", "RECEIVER_UNREACHABLE")]
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server, b"HTTP/1.1 200 OK\r\nx: y" + b"y" * 1000, stopped))
        thread.start()
        began = time.monotonic()
        address = WebhookAddress(f"http://127.0.0.1:{server.getsockname()[1]}/", secret_file(tmp_path), timeout=0.6)
        assert carry(address, notice()) == [Outcome("away", "RECEIVER_SLOW")]
        assert time.monotonic() - began < 3
        stopped.set()
        thread.join(10)


def drip(server: socket.socket, answer: bytes, stopped: threading.Event) -> None:
    connection, _ = server.accept()
    with connection:
        for position in range(len(answer)):
            if stopped.wait(0.02):
                return
            try:
                connection.sendall(answer[position : position + 1])
            except OSError:
                return


def test_only_the_right_certificate_is_believed(tmp_path: Path):
    context, authority = certificates(tmp_path / "ours")
    _, stranger = certificates(tmp_path / "others")
    receiver = Receiver()
    url = receiver.url.replace("http:", "https:")
    with receiver.running(context):
        assert carry(WebhookAddress(url, secret_file(tmp_path), authority), notice()) == [Outcome("sent")]
        for other in (stranger, None):
            outcomes = carry(WebhookAddress(url, secret_file(tmp_path), other), notice())
            assert outcomes == [Outcome("away", "RECEIVER_UNREACHABLE")]
    assert len(receiver.posted) == 1


def test_a_letter_a_recipient_and_one_for_the_webhook_under_ids_that_stay():
    found = letters_of(notice(recipients=(employee("cs.lee"), employee("dpo.yoon"))), ("webhook", "mail"))
    assert found == letters_of(notice(recipients=(employee("cs.lee"), employee("dpo.yoon"))), ("webhook", "mail"))
    ids = [letter.letter_id for _, letter in found]
    assert len(set(ids)) == 3
    assert all("." not in each for each in ids)  # what is signed is joined by dots
    assert [channel for channel, _ in found] == ["webhook", "mail", "mail"]
