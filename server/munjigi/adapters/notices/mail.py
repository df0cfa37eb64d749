"""Notices by mail: one message a recipient over one SMTP connection, under TLS (RFC 3207, RFC 8314) unless the relay is on loopback.

A refusal of one recipient concerns that letter alone: for good with a 5xx (RFC 5321), for now with a 4xx. Whatever happens to the
connection says that the relay takes nothing at present. Whether the letter is still ours to send is looked at last, when the relay
waits for its text: what has not left then never leaves. smtplib blocks, so it has a thread of its own, which is cut off when its
time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final, Literal

from munjigi.adapters.notices.addresses import address_of
from munjigi.adapters.notices.trust import tls_of
from munjigi.adapters.secrets import read_secret
from munjigi.grants.notices.ports import Channel, Errand, Letter, Outcome
from munjigi.grants.notices.words import Language, say, shown_at
from munjigi.kernel.errors import ConfigurationError
from munjigi.policy.calendar import zone_of

Security = Literal["starttls", "tls", "plain"]
_STEP_SECONDS: Final = 15.0  # of one answer of the relay
_RUN_SECONDS: Final = 120.0  # of one run of letters
_LAST_SECONDS: Final = 3.0  # for the relay's word on a letter that has left, at the end of the process
_LINE: Final = re.compile(rb"(?m)^\.")  # RFC 5321, 4.5.2


@dataclass(frozen=True, slots=True)
class Relay:
    """The SMTP relay, and what we send as. `credentials`: a file with `name:password`. `rule` makes addresses of accounts."""

    host: str
    port: int
    security: Security
    sender: str
    rule: str
    credentials: Path | None = None
    authority: Path | None = None


class Mail:
    """Implements `Carrier`. Lives on the event loop; one run at a time."""

    channel: Channel = "mail"

    def __init__(self, relay: Relay, language: Language) -> None:
        """Keep where the relay is. Credentials and authority are read when something is sent."""
        self._relay = relay
        self._language = language
        self._run: _Run | None = None

    async def carry(self, letters: Sequence[Letter], errand: Errand) -> None:
        """Send letters over one connection; it is closed afterwards.

        Raises `ConfigurationError` when the credentials or the authority can't be used.
        """
        self._run = run = _Run(self._relay, [(letter, self._message(letter)) for letter in letters], errand)
        await _in_thread(run.carry)

    async def close(self) -> None:
        """Begin no other letter, wait a moment for what the relay makes of the one that has left, and break off."""
        if self._run is not None:
            await asyncio.to_thread(self._run.end)

    def _message(self, letter: Letter) -> EmailMessage | None:
        """Write one mail; None when the recipient has no address by the rule."""
        to = address_of(self._relay.rule, letter.recipient.subject) if letter.recipient is not None else ""
        if not to:
            return None
        said = say(letter.notice, self._language)
        message = EmailMessage(policy=SMTP)
        message["Message-ID"] = f"<{letter.letter_id}@{self._relay.sender.rpartition('@')[2]}>"
        message["Date"] = format_datetime(shown_at(letter.notice.at, zone_of(letter.notice.zone)))
        message["From"] = Address("Munjigi", addr_spec=self._relay.sender)
        message["To"] = Address(addr_spec=to)
        message["Subject"] = said.subject
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's vacation answers
        if letter.notice.severity == "critical":
            message["Importance"] = "high"
        message.set_content(said.text, cte="base64")
        return message


def credentials_of(relay: Relay) -> tuple[str, str] | None:
    """Read name and password. Raises `ConfigurationError` when others can read the file, or it has another form."""
    if relay.credentials is None:
        return None
    line = read_secret(relay.credentials).decode("utf-8", "replace") if relay.credentials.exists() else ""
    name, colon, password = line.strip().partition(":")
    if not colon or not name:
        raise ConfigurationError(
            "NOTICE_CREDENTIALS_INVALID", f"{relay.credentials} must be there with one line, name:password, mode 0600."
        )
    return name, password


class _Run:
    """Letters over one connection, in a thread that can be cut off."""

    def __init__(self, relay: Relay, letters: list[tuple[Letter, EmailMessage | None]], errand: Errand) -> None:
        self._relay = relay
        self._letters = letters
        self._errand = errand
        self._client: smtplib.SMTP | None = None
        self._cut = threading.Event()
        self._ending = threading.Event()
        self._ended = threading.Event()

    def carry(self) -> None:
        limit = threading.Timer(_RUN_SECONDS, self.cut)
        limit.daemon = True
        limit.start()
        done = 0
        try:
            with self._connected() as client:
                for letter, message in self._letters:
                    outcome = self._send(client, message) if message is not None else Outcome("never", "NO_ADDRESS")
                    done += 1
                    self._errand.settle(letter, outcome)
        except _NotOurs:
            return
        except (OSError, smtplib.SMTPException, ValueError) as error:
            if done < len(self._letters):
                self._errand.settle(self._letters[done][0], self._away(error))
        finally:
            limit.cancel()
            self._ended.set()

    def _away(self, error: Exception) -> Outcome:
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return Outcome("away", f"AUTHENTICATION_{error.smtp_code}")
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return Outcome("away", "RECEIVER_UNSUITABLE")
        if isinstance(error, smtplib.SMTPResponseException):
            return Outcome("away", f"STATUS_{error.smtp_code}")
        if isinstance(error, ssl.SSLError):
            return Outcome("away", "RECEIVER_NOT_TRUSTED")
        late = self._cut.is_set() or isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)
        return Outcome("away", "RECEIVER_SLOW" if late else "RECEIVER_UNREACHABLE")

    def end(self) -> None:
        self._ending.set()
        self._ended.wait(_LAST_SECONDS)
        self.cut()

    def cut(self) -> None:
        """End it at once, from another thread."""
        self._cut.set()
        connection = self._client.sock if self._client is not None else None
        if connection is not None:
            with contextlib.suppress(OSError):  # the plain socket's method: that of a TLS socket would wait for the other side
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        relay = self._relay
        credentials = credentials_of(relay)  # anew, so that they are renewed without a restart
        context, tls = tls_of(relay.authority), relay.security == "tls"
        client = smtplib.SMTP_SSL(timeout=_STEP_SECONDS, context=context) if tls else smtplib.SMTP(timeout=_STEP_SECONDS)
        client._host = relay.host  # type: ignore[attr-defined]  # noqa: SLF001 - what the certificate must name; only the constructor that connects sets it
        self._client = client
        try:
            code, _ = client.connect(relay.host, relay.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, "")
            if relay.security == "starttls":
                client.starttls(context=context)  # refuses to go on in plain text
            client.ehlo_or_helo_if_needed()
            if credentials is not None:
                client.login(*credentials)
            if self._cut.is_set():
                raise TimeoutError
            yield client
            with contextlib.suppress(smtplib.SMTPException, OSError):
                client.quit()
        finally:
            client.close()

    def _send(self, client: smtplib.SMTP, message: EmailMessage) -> Outcome:
        """Go through the steps of one letter, as `smtplib.SMTP.sendmail` does, and look before its text leaves.

        Raises `_NotOurs`, which leaves the connection without the text's end, so that the relay takes nothing.
        """
        code, _ = client.mail(self._relay.sender)
        if code != 250:  # we as the sender are refused: that concerns all of them
            raise smtplib.SMTPResponseException(code, "")
        code, _ = client.rcpt(message["To"].addresses[0].addr_spec)
        if code not in (250, 251):
            return _refused(client, code)
        code, _ = client.docmd("DATA")
        if code != 354:
            return _refused(client, code)
        text = _LINE.sub(b"..", message.as_bytes())
        if self._ending.is_set() or not self._errand.stands():
            raise _NotOurs
        client.send(text + b".\r\n")
        code, _ = client.getreply()
        return Outcome("sent") if code == 250 else _refused(client, code)


class _NotOurs(Exception):
    """Another host sends, or the process ends: nothing more leaves."""


def _refused(client: smtplib.SMTP, code: int) -> Outcome:
    """Judge a refusal of one letter, and go on to the next one. 421 is the relay's goodbye."""
    if code == 421:
        raise smtplib.SMTPResponseException(code, "")
    client.rset()
    return Outcome("never" if code >= 500 else "later", f"STATUS_{code}")


async def _in_thread(work: Callable[[], None]) -> None:
    """Run `work` in a thread of its own that the process does not wait for at its end."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def finish(error: BaseException | None) -> None:
        if ended.done():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(None)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - it is raised where somebody waits for it
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(finish, error)

    threading.Thread(target=run, name="mail", daemon=True).start()
    await ended
