"""That notices can leave the house is seen before anything starts: later, a missing secret fails the job that tells, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from munjigi.adapters.notices.secret import read_secrets
from munjigi.adapters.notices.trust import tls_of
from munjigi.app.addresses import split_address
from munjigi.app.config import Settings

if TYPE_CHECKING:
    from munjigi.adapters.notices.mail import Relay


def refuse_unusable(settings: Settings) -> None:
    """Read what proves who we are to receivers of notices. Raises `ConfigurationError` (promise P10)."""
    if settings.notice_webhook_secret is not None:
        read_secrets(settings.notice_webhook_secret)
    if settings.notice_smtp:
        from munjigi.adapters.notices.mail import credentials_of  # noqa: PLC0415 - costs start time, and few send mail

        credentials_of(relay_of(settings))
    if settings.notice_authority is not None:
        tls_of(settings.notice_authority)


def relay_of(settings: Settings) -> Relay:
    """Return the SMTP relay of the settings."""
    from munjigi.adapters.notices.mail import Relay  # noqa: PLC0415 - costs start time, and few send mail

    return Relay(
        *split_address(settings.notice_smtp),
        settings.notice_smtp_security,
        settings.notice_sender,
        settings.notice_address,
        settings.notice_smtp_credentials,
        settings.notice_authority,
    )
