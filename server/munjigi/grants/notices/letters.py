"""From a notice to the letters that carry it."""

from __future__ import annotations

from collections.abc import Collection

from munjigi.grants.notices.notice import Notice, letter_id
from munjigi.grants.notices.ports import Channel, Letter

Post = list[tuple[Channel, Letter]]


def letters_of(notice: Notice, channels: Collection[Channel]) -> Post:
    """Return one letter for the webhook, which gets everything, and one by mail for each recipient."""
    found: Post = []
    if "webhook" in channels:
        found.append(("webhook", Letter(notice.id, notice, None)))
    if "mail" in channels:
        found += [("mail", Letter(letter_id(notice.id, each), notice, each)) for each in notice.recipients]
    return found
