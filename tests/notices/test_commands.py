"""`munjigi notices` and the doctor's look: what waits is listed, what was given up comes back, and nothing is sent unasked."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from notices.kit import PostBox, Receiver, employee, notice, outbox_of, secret_file

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.config import load_settings
from munjigi.app.files import StateFolder
from munjigi.cli.main import run
from munjigi.grants.notices.letters import letters_of
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.errors import ConfigurationError

FREE = ("--grpc-address", "127.0.0.1:1", "--http-address", "127.0.0.1:2")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--state-dir", str(tmp_path / "var")]) == 0
    capsys.readouterr()
    return tmp_path / "var"


@pytest.fixture
def filled(state: Path) -> Path:
    """One waits for the webhook, one by mail was given up."""
    now = SystemClock().now()
    letters = letters_of(notice(1, recipients=(employee("cs.lee"),)), ("webhook", "mail"))
    with closing(SqliteStateStore(StateFolder(state).state)) as store:
        store.migrate()
        outbox = outbox_of(store)
        outbox.take(letters, now=now)
        outbox.give_up("mail", "STATUS_550", now=now, letter_id=letters[1][1].letter_id)
    return state


def listed(capsys: pytest.CaptureFixture[str], state: Path, *options: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert run(["notices", "list", "--state-dir", str(state), "--output", "json", *options]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["notices"]
    return found


def test_what_waits_and_what_was_given_up(filled: Path, capsys):
    (waits,) = listed(capsys, filled)
    (given_up,) = listed(capsys, filled, "--given-up")
    assert (waits["channel"], waits["recipient"], waits["reason"]) == ("webhook", "", "")
    assert (given_up["channel"], given_up["recipient"], given_up["reason"]) == ("mail", "cs.lee", "STATUS_550")
    assert run(["notices", "list", "--given-up", "--state-dir", str(filled)]) == 0
    assert "STATUS_550" in capsys.readouterr().out


def test_retry_brings_back_what_is_named_or_all(filled: Path, capsys):
    (given_up,) = listed(capsys, filled, "--given-up")
    assert run(["notices", "retry", "--state-dir", str(filled)]) == 2
    assert run(["notices", "retry", "nothing-1", "--state-dir", str(filled)]) == 1
    assert run(["notices", "retry", str(given_up["id"]), "--state-dir", str(filled)]) == 0
    assert listed(capsys, filled, "--given-up") == []
    assert len(listed(capsys, filled)) == 2
    assert run(["notices", "retry", "--all", "--state-dir", str(filled)]) == 0


def test_without_notices_there_is_nothing_to_list_or_retry(state: Path, capsys):
    assert listed(capsys, state) == []
    assert run(["notices", "list", "--state-dir", str(state)]) == 0
    assert run(["notices", "retry", "--all", "--state-dir", str(state)]) == 1


def diagnose(capsys: pytest.CaptureFixture[str], state: Path, *options: str) -> dict[str, dict[str, str]]:
    run(["doctor", *FREE, "--state-dir", str(state), "--output", "json", *options])
    return {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}


def test_the_doctor_connects_and_sends_only_when_it_is_asked_to(filled: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    assert diagnose(capsys, filled)["notices"]["result"] == "skip"
    receiver, box = Receiver(), PostBox()
    monkeypatch.setenv("MUNJIGI_NOTICE_WEBHOOK", receiver.url)
    monkeypatch.setenv("MUNJIGI_NOTICE_WEBHOOK_SECRET", str(secret_file(filled)))
    monkeypatch.setenv("MUNJIGI_NOTICE_SMTP", f"127.0.0.1:{box.port}")
    monkeypatch.setenv("MUNJIGI_NOTICE_SMTP_SECURITY", "plain")
    monkeypatch.setenv("MUNJIGI_NOTICE_SENDER", "munjigi@example.com")
    monkeypatch.setenv("MUNJIGI_NOTICE_ADDRESS", "{subject}@example.com")
    found = diagnose(capsys, filled)
    assert found["notices by webhook"]["result"] == found["notices by mail"]["result"] == "fail"
    assert found["notices"]["found"] == "1 wait, 1 were given up"
    with receiver.running(), box.running():
        found = diagnose(capsys, filled)
        assert found["notices by webhook"]["result"] == found["notices by mail"]["result"] == "ok"
        assert not receiver.posted
        assert not box.mails
        found = diagnose(capsys, filled, "--send-test")
        assert found["notices by webhook"]["result"] == found["notices by mail"]["result"] == "ok"
    (posted,) = receiver.posted
    assert posted.signed_with()
    assert posted.data["type"] == "munjigi.trial"
    assert box.envelopes == [("munjigi@example.com", ["munjigi@example.com"])]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"notice_webhook": "http://soc.example/x"}, "MUNJIGI_NOTICE_AUTHORITY"),
        ({"notice_webhook": "https://name:word@soc.example/x"}, "MUNJIGI_NOTICE_AUTHORITY"),
        ({"notice_webhook": "https://soc.example/x"}, "MUNJIGI_NOTICE_WEBHOOK_SECRET"),
        ({"notice_smtp": "smtp.example:25", "notice_smtp_security": "plain"}, "MUNJIGI_NOTICE_SMTP_SECURITY"),
        ({"notice_smtp": "smtp.example"}, "127.0.0.1:7443"),
        ({"notice_smtp": "smtp.example:587"}, "MUNJIGI_NOTICE_ADDRESS"),
        ({"notice_smtp": "smtp.example:587", "notice_address": "{subject}@x.example"}, "MUNJIGI_NOTICE_SENDER"),
        ({"notice_days_before": (0,)}, "notice_days_before"),
    ],
)
def test_p10_how_notices_leave_the_house_is_refused_when_unsafe(options: dict[str, object], named: str):
    with pytest.raises(ConfigurationError) as refused:
        load_settings(options)
    assert named in refused.value.message
    assert "word" not in refused.value.message


def test_p10_a_start_without_the_secret_is_refused_by_name(state: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("MUNJIGI_NOTICE_WEBHOOK", "https://soc.example/x")
    monkeypatch.setenv("MUNJIGI_NOTICE_WEBHOOK_SECRET", str(state / "nothing"))
    assert run(["serve", *FREE, "--state-dir", str(state), "--no-sample"]) == 1
    assert "openssl rand" in capsys.readouterr().err
