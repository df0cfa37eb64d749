"""The doctor's look at how notices leave the house: secrets, receivers, and what waits. It sends a trial only when it is asked to."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from munjigi.cli.doctor_finding import Finding

if TYPE_CHECKING:
    from munjigi.app.config import Settings
    from munjigi.grants.notices.ports import Carrier, Letter, Outcome

_CHECK: Final = "notices"
_WAIT: Final = 2.0  # seconds for a connection


def notices(settings: Settings, *, trial: bool = False) -> Iterable[Finding]:
    """Read secrets as the follower does, and connect to each receiver; with `trial`, send it a notice of that kind."""
    from munjigi.app.notice_secrets import refuse_unusable
    from munjigi.app.notices import carriers
    from munjigi.kernel.clock import SystemClock

    if not settings.notice_webhook and not settings.notice_smtp:
        yield Finding(_CHECK, "skip", "nobody is told", "Set MUNJIGI_NOTICE_WEBHOOK or MUNJIGI_NOTICE_SMTP: docs/operations.md.")
        return
    refuse_unusable(settings)
    for carrier in carriers(settings, SystemClock()):
        yield from (_tried if trial else _reached)(settings, carrier)
    yield from _waiting(settings)


def _reached(settings: Settings, carrier: Carrier) -> Iterable[Finding]:
    name = f"notices by {carrier.channel}"
    try:
        socket.create_connection(_address(settings, carrier), timeout=_WAIT).close()
    except OSError:
        yield Finding(name, "fail", "the receiver does not answer", "Start it, or repair the way to it; notices wait meanwhile.")
    else:
        yield Finding(name, "ok", "the receiver can be connected to; its secrets are private", "--send-test sends a trial.")


def _tried(settings: Settings, carrier: Carrier) -> Iterable[Finding]:
    name = f"notices by {carrier.channel}"
    outcome = asyncio.run(_trial(settings, carrier))
    if outcome.result == "sent":
        yield Finding(name, "ok", "the receiver has taken a trial")
    else:
        yield Finding(name, "fail", f"the receiver has not taken a trial: {outcome.reason}", "docs/errors.md, Notices.")


async def _trial(settings: Settings, carrier: Carrier) -> Outcome:
    from munjigi.adapters.notices.addresses import PLACE
    from munjigi.grants.notices.notice import Notice
    from munjigi.grants.notices.ports import Letter
    from munjigi.kernel.clock import SystemClock
    from munjigi.kernel.identity import EmployeeKey

    sender = settings.notice_sender
    to = EmployeeKey("", sender if settings.notice_address == PLACE else sender.partition("@")[0])
    notice = Notice(f"trial-{secrets.token_hex(8)}", "trial", "info", SystemClock().now(), (to,), {}, {})
    errand = _Trial()
    try:
        await carrier.carry([Letter(notice.id, notice, None if carrier.channel == "webhook" else to)], errand)
    finally:
        await carrier.close()
    return errand.outcome


class _Trial:
    """Implements `grants.notices.ports.Errand`."""

    outcome: Outcome

    def stands(self) -> bool:
        return True

    def settle(self, letter: Letter, outcome: Outcome) -> None:
        del letter
        self.outcome = outcome


def _address(settings: Settings, carrier: Carrier) -> tuple[str, int]:
    from munjigi.app.addresses import split_address

    if carrier.channel == "mail":
        return split_address(settings.notice_smtp)
    parts = urlsplit(settings.notice_webhook)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _waiting(settings: Settings) -> Iterable[Finding]:
    from munjigi.adapters.notices.outbox import Outbox
    from munjigi.app.files import StateFolder
    from munjigi.app.state import has_state, read_state

    folder = StateFolder(settings.state_dir)
    if not has_state(folder):
        yield Finding(_CHECK, "ok", "nothing was told yet")
        return
    with closing(read_state(folder)) as store:
        outbox = Outbox(lambda: store)
        found = [outbox.waiting("webhook"), outbox.waiting("mail")]
    waiting, dead = sum(each.waiting for each in found), sum(each.dead for each in found)
    todo = "munjigi notices list --given-up; mend it, then munjigi notices retry --all." if dead else ""
    yield Finding(_CHECK, "warn" if dead else "ok", f"{waiting} wait, {dead} were given up", todo)
