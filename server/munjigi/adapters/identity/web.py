"""Ask an identity provider over HTTP and be sure that it is the one asked, that it answers in time, and not endlessly.

https, or http on loopback; no redirect is followed, no proxy is read from the environment, an answer ends
within its time and its size whatever the other side does.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlencode, urlsplit

from munjigi.kernel.errors import ConfigurationError, Unavailable

MAX_ANSWER_BYTES: Final = 256 * 1024
ANSWER_SECONDS: Final = 5.0  # from the start of connecting to the last byte


class Answer(NamedTuple):
    """What came back; `content` has at most one byte more than `MAX_ANSWER_BYTES`."""

    status: int
    content: bytes


def web_address(url: str, what: str) -> SplitResult:
    """Return the parts of a URL that may be asked; `what` names it in errors.

    Raises `ConfigurationError` PROVIDER_URL when it is not https, and http for anything but a loopback host.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if (
        not host
        or parts.scheme not in ("https", "http")
        or parts.username is not None
        or not url.isascii()
        or not url.isprintable()
    ):
        raise ConfigurationError("PROVIDER_URL", f"{what} must be an https URL without user information.")
    if parts.scheme == "http" and not _loopback(host):
        raise ConfigurationError("PROVIDER_URL", f"{what} is plain http; use https, http is for loopback hosts only.")
    return parts


def trust_of(authority: Path | None) -> ssl.SSLContext:
    """Return what is trusted: the system's authorities, or only that of a PEM file.

    Raises `ConfigurationError` PROVIDER_AUTHORITY when the file can't be used.
    """
    try:
        return ssl.create_default_context(cafile=None if authority is None else str(authority))
    except OSError:  # ssl.SSLError is one
        raise ConfigurationError("PROVIDER_AUTHORITY", f"{authority} is not a readable PEM file of certificates.") from None


def ask(
    url: SplitResult,
    context: ssl.SSLContext | None,
    what: str,
    *,
    form: dict[str, str] | None = None,
    seconds: float = ANSWER_SECONDS,
) -> Answer:
    """GET the URL, or POST a form to it; `context` is None for plain http, `what` names it in errors.

    Raises `Unavailable` PROVIDER_UNREACHABLE when there is no whole answer within `seconds`.
    """
    asking = _Asking(url, context, what, form, seconds)
    # A socket's own timeout starts again with every byte; this one does not.
    limit = threading.Timer(seconds, asking.cut)
    limit.daemon = True
    limit.start()
    try:
        return asking.run()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise unreachable(
            what, f"did not answer in time and in full ({type(error).__name__}); see whether the provider is up."
        ) from None
    finally:
        limit.cancel()


def get(url: SplitResult, context: ssl.SSLContext | None, what: str, seconds: float = ANSWER_SECONDS) -> bytes:
    """GET what must be there. Raises what `ask` raises, also for another status than 200."""
    answer = ask(url, context, what, seconds=seconds)
    if answer.status != http.client.OK:
        raise unreachable(what, f"answered {answer.status}; it must answer 200 itself, without a redirect.")
    return answer.content


def unreachable(what: str, problem: str) -> Unavailable:
    """Say that something of the provider did not answer as it must."""
    return Unavailable("PROVIDER_UNREACHABLE", f"{what} {problem}")


class _Asking:
    """One request that another thread can cut. http.client follows no redirect and reads no proxy from the environment."""

    def __init__(
        self, url: SplitResult, context: ssl.SSLContext | None, what: str, form: dict[str, str] | None, seconds: float
    ) -> None:
        self._seconds = seconds
        self._url = url
        self._context = context
        self._what = what
        self._form = form
        self._socket: socket.socket | None = None
        self._is_cut = False

    def run(self) -> Answer:
        host, tls = self._url.hostname or "", self._context
        self._socket = socket.create_connection((host, self._url.port or (80 if tls is None else 443)), self._seconds)
        try:
            if tls is not None:
                self._socket = wrapped = tls.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
                wrapped.do_handshake()
            connection = http.client.HTTPConnection(host, self._url.port, timeout=self._seconds)
            connection.sock = self._socket
            path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
            headers = {"Accept": "application/json", "Connection": "close"}
            if self._form is None:
                connection.request("GET", path, headers=headers)
            else:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                connection.request("POST", path, urlencode(self._form), headers)
            with connection.getresponse() as answer:
                content = answer.read(MAX_ANSWER_BYTES + 1)
                if self._is_cut or (answer.length and len(content) <= MAX_ANSWER_BYTES):
                    raise unreachable(self._what, "ended its answer early or took too long; see whether the provider is up.")
                return Answer(answer.status, content)
        finally:
            self._socket.close()

    def cut(self) -> None:
        self._is_cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # The plain socket's method: that of a TLS socket would let a reader go on without TLS.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
