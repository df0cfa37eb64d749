"""A webhook after Standard Webhooks 1.0.0: one signed POST a notice, for the control center or whatever passes notices on.

Whatever is not 2xx is no delivery. What the receiver says of the message itself concerns that message alone; everything else says
that the receiver takes nothing at present. Redirects are not followed. An attempt ends within its time, however slowly the other
side answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from munjigi.adapters.notices.secret import read_secrets, signature
from munjigi.adapters.notices.trust import tls_of
from munjigi.grants.notices.notice import Notice
from munjigi.grants.notices.ports import Channel, Errand, Letter, Outcome
from munjigi.grants.notices.words import Language, languages, say
from munjigi.kernel.clock import Clock, to_rfc3339

_AT_ONCE: Final = 8  # requests under way
_OF_THE_MESSAGE: Final = frozenset({400, 413, 415, 422})  # what a receiver answers about one message, and not about all
_LONGEST_PAUSE: Final = 3600.0  # seconds that a Retry-After is believed


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """Where the receiver is, and what we share with it. `authority` (PEM) is the only one trusted, where there is one.

    `timeout` in seconds, for a whole attempt.
    """

    url: str
    secret: Path
    authority: Path | None = None
    timeout: float = 15.0


class Webhook:
    """Implements `Carrier`. Lives on the event loop."""

    channel: Channel = "webhook"

    def __init__(self, address: WebhookAddress, language: Language, clock: Clock) -> None:
        """Keep where the receiver is. Secret and authority are read when something is sent."""
        self._address = address
        self._language = language
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def carry(self, letters: Sequence[Letter], errand: Errand) -> None:
        """Send letters, some at a time. Raises `ConfigurationError` when the secret or the authority can't be used."""
        secrets = await asyncio.to_thread(read_secrets, self._address.secret)  # anew, so that one is replaced without a restart
        if self._session is None:
            limit = aiohttp.TCPConnector(limit=_AT_ONCE, ssl=tls_of(self._address.authority))
            self._session = aiohttp.ClientSession(connector=limit, timeout=aiohttp.ClientTimeout(self._address.timeout))
        session, gate = self._session, asyncio.Semaphore(_AT_ONCE)

        async def one(letter: Letter) -> None:
            async with gate:
                if errand.stands():
                    outcome = await self._post(session, secrets, letter)
                    await asyncio.to_thread(errand.settle, letter, outcome)

        await asyncio.gather(*(one(letter) for letter in letters))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _post(self, session: aiohttp.ClientSession, secrets: tuple[bytes, ...], letter: Letter) -> Outcome:
        body = body_of(letter.notice, self._language)
        timestamp = self._clock.now() // 1_000_000_000
        headers = {
            "content-type": "application/json",
            "user-agent": "munjigi",
            "webhook-id": letter.letter_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secrets, letter.letter_id, timestamp, body),
        }
        try:
            async with session.post(self._address.url, data=body, headers=headers, allow_redirects=False) as answer:
                return _judged(answer.status, answer.headers.get("retry-after", ""))
        except TimeoutError:
            return Outcome("away", "RECEIVER_SLOW")
        except (aiohttp.ClientError, OSError):
            return Outcome("away", "RECEIVER_UNREACHABLE")


def body_of(notice: Notice, language: Language) -> bytes:
    """Return what is sent of a notice: the same bytes each time."""
    said = {code: say(notice, code) for code in languages(language)}
    data: dict[str, Any] = {
        "id": notice.id,
        "severity": notice.severity,
        "recipients": [each._asdict() for each in notice.recipients],
        **notice.about,
        **{f"{name}_at": to_rfc3339(at) for name, at in notice.times.items()},
        "said": {code: each._asdict() for code, each in said.items()},
    }
    whole = {"type": f"munjigi.{notice.kind}", "timestamp": to_rfc3339(notice.at), "data": data}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)


def _judged(status: int, retry_after: str) -> Outcome:
    if 200 <= status < 300:
        return Outcome("sent")
    if status in _OF_THE_MESSAGE:
        return Outcome("later", f"STATUS_{status}")
    pause = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    return Outcome("away", f"STATUS_{status}", min(pause, _LONGEST_PAUSE))
