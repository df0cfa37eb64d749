"""The whole way: an employee asks, the owner reads a mail, its command decides; with receivers that are dead at first."""

from __future__ import annotations

import shlex
from pathlib import Path

from notices.kit import PostBox, Receiver, secret_file, until
from running import serving

from munjigi.cli.main import run


def test_the_command_in_the_owners_mail_decides_and_nobody_waited_for_the_mail(tmp_path: Path, capsys, monkeypatch):
    receiver, box = Receiver(), PostBox()
    settings = {
        "MUNJIGI_NOTICE_WEBHOOK": receiver.url,
        "MUNJIGI_NOTICE_WEBHOOK_SECRET": str(secret_file(tmp_path)),
        "MUNJIGI_NOTICE_SMTP": f"127.0.0.1:{box.port}",
        "MUNJIGI_NOTICE_SMTP_SECURITY": "plain",
        "MUNJIGI_NOTICE_SENDER": "munjigi@example.com",
        "MUNJIGI_NOTICE_ADDRESS": "{subject}@example.com",
    }
    with serving(tmp_path / "var", **settings) as daemon:
        monkeypatch.setenv("MUNJIGI_STATE_DIR", str(daemon.state_dir))
        monkeypatch.setenv("MUNJIGI_GRPC_ADDRESS", daemon.grpc_address)

        def munjigi(line: str, who: str) -> str:
            code = run([*shlex.split(line), "--as", who])
            printed = capsys.readouterr()
            assert code == 0, printed.err
            return str(printed.out)

        # Nobody listens: asking, deciding and reading go on.
        munjigi("request cs_agent --purpose inquiry --days 30 --reason 'joins the inquiry desk'", "new.oh")
        munjigi("check crm.member --fields name --purpose inquiry --case CS-2026-000123 --member 1000001", "cs.kim")
        with receiver.running(), box.running():
            until(lambda: told(receiver, "request.made") and bool(mails(box, "cs.lee", "approve")), what=lambda: daemon.text)
            (text,) = mails(box, "cs.lee", "approve")
            (command,) = {line.strip() for line in text.splitlines() if line.strip().startswith("munjigi approve")}
            munjigi(f"{command.removeprefix('munjigi ')} --yes", "cs.lee")
            until(lambda: told(receiver, "request.approved") and bool(mails(box, "new.oh", "approved")), what=lambda: daemon.text)
            munjigi("check crm.member --fields name --purpose inquiry --case CS-2026-000123 --member 1000001", "new.oh")
            munjigi("people event joiner f.seo --account fraud.seo --department fraud", "dpo.yoon")
            munjigi(
                "break-glass fraud_analyst --purpose fraud_investigation --hours 1 --case FR-2026-0042 --reason 'the lines are down since noon'",
                "fraud.seo",
            )
            until(lambda: told(receiver, "break_glass.taken") and told(receiver, "break_glass.review"), what=lambda: daemon.text)
    alarm = next(each.data["data"] for each in receiver.posted if each.data["type"] == "munjigi.break_glass.taken")
    assert alarm["severity"] == "critical"
    assert {"cs.lee", "dpo.yoon"} <= {each["subject"] for each in alarm["recipients"]}
    assert all(each.signed_with() for each in receiver.posted)


def told(receiver: Receiver, kind: str) -> bool:
    return any(each.data["type"] == f"munjigi.{kind}" for each in receiver.posted)


def mails(box: PostBox, to: str, word: str) -> list[str]:
    found = [mail.get_content() for mail in box.mails if mail["To"] == f"{to}@example.com"]
    return [each for each in found if word in each]
