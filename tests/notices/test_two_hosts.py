"""Two instances over one PostgreSQL: one of them tells people, the other takes over when it is paused or dead, and nobody gets a mail twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from notices.kit import PostBox, asking, made, outbox_of, until
from postgresql import PostgresqlServer, postgresql
from running import Daemon, serving

from munjigi.adapters.state.postgresql import PostgresqlStateStore
from munjigi.app.duty import SCHEDULER
from munjigi.kernel.identity import EMBEDDED_ISSUER

LEASE = 1.0
OURS = "this host does the scheduled work now"


class PausingBox(PostBox):
    """A relay that stops the sender at the moment when it has named the recipient and waits for the answer."""

    pause = 0  # a process id

    async def handle_RCPT(self, *arguments) -> str:  # type: ignore[no-untyped-def]  # noqa: N802 - aiosmtpd calls it so
        if self.pause:
            paused, self.pause = self.pause, 0
            os.kill(paused, signal.SIGSTOP)
        return await super().handle_RCPT(*arguments)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    with postgresql(tmp_path_factory.mktemp("state")) as server:
        server.make("munjigi")
        yield server


def told(box: PostBox, number: int) -> bool:
    """Tell whether the owner has the mail about a request; there are others, of the company that was just made."""
    order = f"munjigi approve ar-{number}"
    return any(order == line.strip() for mail in box.mails for line in mail.get_content().splitlines())


def test_one_of_two_hosts_tells_and_a_paused_or_killed_one_is_replaced_without_a_second_mail(
    tmp_path: Path, server: PostgresqlServer
) -> None:
    box = PausingBox()
    settings = server.settings("munjigi") | {
        "MUNJIGI_LEASE_SECONDS": str(LEASE),
        "MUNJIGI_NOTICE_SMTP": f"127.0.0.1:{box.port}",
        "MUNJIGI_NOTICE_SMTP_SECURITY": "plain",
        "MUNJIGI_NOTICE_SENDER": "munjigi@example.com",
        "MUNJIGI_NOTICE_ADDRESS": "{subject}@example.com",
    }
    with (
        box.running(),
        serving(tmp_path / "one", **settings) as one,
        serving(tmp_path / "other", **settings) as other,
        closing(PostgresqlStateStore(server.address("munjigi"))) as store,
    ):

        def text() -> str:
            return f"{store.duty(SCHEDULER)}\n{one.text[-3000:]}\n{other.text[-3000:]}"

        def held_by(daemon: Daemon) -> bool:
            row = store.duty(SCHEDULER)
            return row is not None and any(OURS in line and f'"fence": {row.fence}' in line for line in daemon.log)

        def ask(number: int) -> None:
            edit = made(asking(number, time.time_ns()))
            store.apply([edit], at=time.time_ns(), actor="new.oh", issuer=EMBEDDED_ISSUER, request_id="test")

        until(lambda: held_by(one) or held_by(other), what=text)
        first, second = (one, other) if held_by(one) else (other, one)
        ask(1)
        until(lambda: told(box, 1), what=text)

        # Paused with a letter under way: the other sends it, and the first one, awake again, sends nothing of it.
        paused = first.children()["follower"]
        box.pause = paused
        ask(2)
        until(lambda: told(box, 2), what=text)
        assert held_by(second)
        ask(3)
        until(lambda: told(box, 3), what=text)
        os.kill(paused, signal.SIGCONT)
        first.wait_for("another host does the scheduled work now")
        ask(4)
        until(lambda: told(box, 4), what=text)

        # The whole of the second host dies, when it has noted that the last letter left: who dies before sends it again (at least once).
        until(lambda: not outbox_of(store).waiting("mail").waiting, what=text)
        assert second.process is not None
        dead = [*psutil.Process(second.process.pid).children(recursive=True), psutil.Process(second.process.pid)]
        killed = time.monotonic()
        for each in dead:
            each.kill()
        ask(5)
        until(lambda: told(box, 5), what=text)
        took = time.monotonic() - killed
        print(f"told {took:.1f} s after the holder was killed, with a lease of {LEASE} s")
        until(lambda: held_by(first), what=text)  # what it says comes through its supervisor
        ask(6)
        until(lambda: told(box, 6), what=text)
        time.sleep(0.5)  # for a mail too many
    letters = [str(mail["Message-ID"]) for mail in box.mails]
    assert len(set(letters)) == len(letters) >= 6
