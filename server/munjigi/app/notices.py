"""How notices leave the house, as the settings have it: the job, its carriers, and where the outbox lies."""

from __future__ import annotations

from collections.abc import Sequence

from munjigi.adapters.notices.mail import Mail
from munjigi.adapters.notices.outbox import Outbox
from munjigi.adapters.notices.webhook import Webhook, WebhookAddress
from munjigi.adapters.state.holdings import StoredHoldings
from munjigi.adapters.state.store import SqlStateStore
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.notice_channel import NoticeChannel
from munjigi.app.notice_secrets import relay_of
from munjigi.app.notifier import Notifier
from munjigi.app.policy_in_force import PolicyInForce
from munjigi.app.state import read_state
from munjigi.audit.ports import LogSource
from munjigi.grants.notices.due import DAY, Pace
from munjigi.grants.notices.ports import Carrier
from munjigi.grants.permission_log import PermissionLog
from munjigi.kernel.clock import Clock, SystemClock
from munjigi.monitoring.meter import Meter


def carriers(settings: Settings, clock: Clock) -> list[Carrier]:
    """Return the ways out."""
    found: list[Carrier] = []
    if settings.notice_webhook:
        assert settings.notice_webhook_secret is not None
        address = WebhookAddress(settings.notice_webhook, settings.notice_webhook_secret, settings.notice_authority)
        found.append(Webhook(address, settings.notice_language, clock))
    if settings.notice_smtp:
        found.append(Mail(relay_of(settings), settings.notice_language))
    return found


def notifier(settings: Settings, folder: StateFolder, meter: Meter) -> Notifier:
    """Put the job together."""
    clock = SystemClock()
    outbox = Outbox(folder.notices)
    channels = [
        NoticeChannel(each, outbox, meter, clock, settings.notice_give_up_days * DAY) for each in carriers(settings, clock)
    ]
    pace = Pace(settings.notice_days_before, settings.notice_escalate_days)
    return Notifier(FolderPlace(folder), PolicyInForce(folder), outbox, channels, pace, clock, meter)


class FolderPlace:
    """The state of a state folder; implements `app.notifier.Place`."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._sources = LogSources(folder)
        self._store: SqlStateStore | None = None

    @property
    def store(self) -> SqlStateStore:
        """The store. Raises `Unavailable` while there is none."""
        if self._store is None:
            self._store = read_state(self._folder)
        return self._store

    @property
    def holdings(self) -> StoredHoldings:
        """Who holds what, looked up in it."""
        return StoredHoldings(self.store)

    def logs(self) -> Sequence[LogSource]:
        """Return the logs of permission records, none before the worker has made the first."""
        return [each for each in self._sources.look() if isinstance(each, PermissionLog)]

    def close(self) -> None:
        """Let go of the store."""
        self._sources.close()
        if self._store is not None:
            self._store.close()
            self._store = None
