"""How notices leave the house, as the settings have it: the job, its carriers, and where the outbox lies."""

from __future__ import annotations

from munjigi.adapters.notices.mail import Mail
from munjigi.adapters.notices.outbox import Outbox
from munjigi.adapters.notices.webhook import Webhook, WebhookAddress
from munjigi.app.config import Settings
from munjigi.app.duty import Duty
from munjigi.app.files import StateFolder
from munjigi.app.folder_place import FolderPlace
from munjigi.app.notice_channel import NoticeChannel
from munjigi.app.notice_secrets import relay_of
from munjigi.app.notifier import Notifier
from munjigi.app.policy_in_force import PolicyInForce
from munjigi.grants.notices.due import DAY, Pace
from munjigi.grants.notices.ports import Carrier
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


def notifier(settings: Settings, folder: StateFolder, place: FolderPlace, duty: Duty, meter: Meter) -> Notifier:
    """Put the job together, over a place that it closes, under a duty that is run beside it."""
    clock = SystemClock()
    outbox = Outbox(lambda: place.store, duty.name)
    give_up = settings.notice_give_up_days * DAY
    channels = [NoticeChannel(each, outbox, duty, meter, clock, give_up) for each in carriers(settings, clock)]
    pace = Pace(settings.notice_days_before, settings.notice_escalate_days)
    return Notifier(place, PolicyInForce(folder), duty, outbox, channels, pace, clock, meter)
