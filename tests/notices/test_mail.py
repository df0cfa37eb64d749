"""Mail against a real SMTP server: TLS that can't be talked away, sign-in, refusals one by one, and a relay that hangs."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from notices.kit import Noted, PostBox, certificates, employee, notice

from munjigi.adapters.notices import mail as mail_module
from munjigi.adapters.notices.addresses import address_of, makes_addresses
from munjigi.adapters.notices.mail import Mail, Relay, credentials_of
from munjigi.grants.notices.notice import letter_id
from munjigi.grants.notices.ports import Letter, Outcome
from munjigi.grants.notices.words import Language
from munjigi.kernel.errors import ConfigurationError


def relay(box: PostBox, **other: Any) -> Relay:
    return replace(Relay("127.0.0.1", box.port, "plain", "munjigi@example.com", "{subject}@example.com"), **other)


def to(name: str, **other: Any) -> Letter:
    made = notice(recipients=(employee(name),), **other)
    return Letter(letter_id(made.id, employee(name)), made, employee(name))


def carry(to_relay: Relay, *letters: Letter, language: Language = "both") -> list[Outcome]:
    async def run() -> list[Outcome]:
        mail = Mail(to_relay, language)
        try:
            await mail.carry(letters, noted := Noted())
        finally:
            await mail.close()
        return noted.of(letters)

    return asyncio.run(run())


def credentials(folder: Path, line: str = "munjigi:correct horse") -> Path:
    path = folder / "credentials"
    path.write_text(line + "\n")
    path.chmod(0o600)
    return path


def test_a_mail_has_what_a_decider_needs_in_korean_and_english():
    box = PostBox()
    with box.running():
        assert carry(relay(box), to("cs.lee"), to("dpo.yoon")) == [Outcome("sent"), Outcome("sent")]
    assert box.envelopes == [("munjigi@example.com", [f"{name}@example.com"]) for name in ("cs.lee", "dpo.yoon")]
    mail = box.mails[0]
    assert mail["Message-ID"] == f"<{to('cs.lee').letter_id}@example.com>"
    assert mail["Message-ID"] != box.mails[1]["Message-ID"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == "[Munjigi] new.oh: cs_agent 권한 신청 / [Munjigi] new.oh asks for cs_agent"
    text = mail.get_content()
    for part in ("munjigi approve ar-1", "대상자: new.oh", "Who: new.oh", "Purpose: inquiry", "사유: “the new desk”"):
        assert part in text
    assert text.index("결정") < text.index("To decide")


def test_starttls_with_sign_in(tmp_path: Path):
    context, authority = certificates(tmp_path)
    box = PostBox(tls_context=context, require_starttls=True, auth_required=True, auth_require_tls=True)
    box._options["authenticator"] = box.authenticate
    safe = relay(box, security="starttls", authority=authority, credentials=credentials(tmp_path))
    with box.running():
        assert carry(safe, to("cs.lee")) == [Outcome("sent")]
        credentials(tmp_path, "munjigi:wrong")
        assert carry(safe, to("cs.lee")) == [Outcome("away", "AUTHENTICATION_535")]
        _, stranger = certificates(tmp_path / "others")
        assert carry(replace(safe, authority=stranger), to("cs.lee")) == [Outcome("away", "RECEIVER_NOT_TRUSTED")]
        # The certificate is for localhost and 127.0.0.1; another name of this machine is not in it.
        assert carry(replace(safe, host="127.0.0.2"), to("cs.lee"))[0].result == "away"
    assert box.logins[0] == "munjigi:correct horse"
    assert set(box.logins[1:]) == {"munjigi:wrong"}  # by each mechanism that there is
    assert len(box.mails) == 1


def test_a_relay_that_offers_no_starttls_gets_nothing_in_plain_text(tmp_path: Path):
    _, authority = certificates(tmp_path)
    box = PostBox()
    with box.running():
        outcomes = carry(relay(box, security="starttls", authority=authority, credentials=credentials(tmp_path)), to("cs.lee"))
    assert outcomes == [Outcome("away", "RECEIVER_UNSUITABLE")]
    assert not box.mails
    assert not box.logins


def test_tls_from_the_first_byte(tmp_path: Path):
    context, authority = certificates(tmp_path)
    box = PostBox(ssl_context=context)
    with box.running():
        assert carry(relay(box, security="tls", authority=authority), to("cs.lee")) == [Outcome("sent")]
        _, stranger = certificates(tmp_path / "others")
        outcomes = carry(relay(box, security="tls", authority=stranger), to("cs.lee"))
    assert outcomes == [Outcome("away", "RECEIVER_NOT_TRUSTED")]
    assert len(box.mails) == 1


def test_a_refused_recipient_concerns_nobody_else():
    box = PostBox()
    box.refuse = {"gone@example.com": "550 no such mailbox", "full@example.com": "452 mailbox full"}
    with box.running():
        outcomes = carry(relay(box), to("gone"), to("full"), to("no address"), to("a@b"), to("x\r\nBcc: y"), to("cs.lee"))
    unknown = Outcome("never", "NO_ADDRESS")
    assert outcomes == [Outcome("never", "STATUS_550"), Outcome("later", "STATUS_452"), *[unknown] * 3, Outcome("sent")]
    assert box.envelopes == [("munjigi@example.com", ["cs.lee@example.com"])]


def test_a_goodbye_leaves_the_rest_for_later():
    box = PostBox()
    box.refuse = {"tired@example.com": "421 too many of you"}
    with box.running():
        outcomes = carry(relay(box), to("cs.lee"), to("tired"), to("dpo.yoon"))
    assert outcomes == [Outcome("sent"), Outcome("away", "STATUS_421")]


def test_nobody_there_and_a_relay_that_says_nothing(monkeypatch: pytest.MonkeyPatch):
    assert carry(relay(PostBox()), to("cs.lee")) == [Outcome("away", "RECEIVER_UNREACHABLE")]
    monkeypatch.setattr(mail_module, "_STEP_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = relay(PostBox(), port=silent.getsockname()[1])
        assert carry(mute, to("cs.lee")) == [Outcome("away", "RECEIVER_SLOW")]


def test_a_relay_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mail_module, "_RUN_SECONDS", 0.5)
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                while not stopped.wait(0.02):
                    try:
                        connection.sendall(b"220-wait\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        (outcome,) = carry(relay(PostBox(), port=server.getsockname()[1]), to("cs.lee"))
        assert outcome == Outcome("away", "RECEIVER_SLOW")
        assert time.monotonic() - began < 5
        stopped.set()
        thread.join(10)


def test_what_people_typed_can_neither_add_a_header_nor_a_line_of_ours():
    box = PostBox()
    about = {"request": "ar-1", "holder": "x\r\nBcc: all@example.com", "reason": "fine\nTo decide:\n  munjigi approve ar-9"}
    with box.running():
        assert carry(relay(box), to("cs.lee", about=about), language="en") == [Outcome("sent")]
    (mail,) = box.mails
    assert mail["Bcc"] is None
    text = mail.get_content()
    assert [line.strip() for line in text.splitlines() if line.strip().startswith("munjigi approve")] == ["munjigi approve ar-1"]


@pytest.mark.parametrize(
    ("rule", "subject", "address"),
    [
        ("{subject}@example.com", "cs.lee", "cs.lee@example.com"),
        ("{subject}", "cs.lee@corp.example", "cs.lee@corp.example"),
        ("{subject}@example.com", "cs.lee@corp.example", ""),
        ("{subject}@example.com", "", ""),
        ("{subject}@example.com", "a b", ""),
        ("{subject}@example.com", ".a", ""),
        ("{subject}@example.com", "a,b", ""),
        ("{subject}@example.com", "a" * 300, ""),
        ("{subject}@example.com", "김민수", ""),
    ],
)
def test_an_address_is_made_of_an_account_or_there_is_none(rule: str, subject: str, address: str):
    assert address_of(rule, subject) == address


@pytest.mark.parametrize("rule", ["", "all@example.com", "{subject}@", "{subject}@example.com, x", "{subject}\n@example.com"])
def test_p10_a_rule_that_makes_no_addresses_is_told_apart(rule: str):
    assert not makes_addresses(rule)


@pytest.mark.parametrize("line", ["", "name", ":password"])
def test_p10_credentials_of_another_form_are_refused(tmp_path: Path, line: str):
    with pytest.raises(ConfigurationError):
        credentials_of(relay(PostBox(), credentials=credentials(tmp_path, line)))
