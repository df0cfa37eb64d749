"""The last good keys stay in force until better ones are here; looking for them never blocks a call.

A call with an unknown key id is refused (KEY_UNKNOWN) and starts a refresh in a thread, at most once a
minute; the caller's retry finds the new key. A refused or unreachable key set changes nothing but `problem`, until
the keys have not been confirmed for a day: then they are dropped (promise P3).
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import socket
import ssl
import threading
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from munjigi.adapters.identity.keys import MAX_KEY_SET_BYTES, KeyRing, parse_key_set
from munjigi.kernel.clock import SECOND, SystemClock
from munjigi.kernel.errors import ConfigurationError, MunjigiError, Unavailable

FETCH_SECONDS: Final = 5.0  # from the start of connecting to the last byte
REFETCH_AFTER: Final = 60 * SECOND
CONFIRM_AFTER: Final = 600 * SECOND
DROP_AFTER: Final = 24 * 3600 * SECOND
_LOOK_AGAIN_AFTER: Final = SECOND


class FileKeys:
    """Keys of a JSON Web Key Set file, read again when it changes.

    Raises `ConfigurationError` when the file cannot be read, others may write it, or it is not a key set.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked_at = 0
        self._ring, self._stamp = self._read()
        self.problem = ""

    @property
    def ring(self) -> KeyRing:
        """Return the ring in force."""
        return self._ring

    def miss(self, now: int) -> KeyRing:
        """Look at the file again; return the ring in force."""
        self.poll(now)
        return self._ring

    def poll(self, now: int) -> None:
        """Take the file's keys if it changed, looking at most once a second; `problem` tells what is wrong with it."""
        if 0 <= now - self._looked_at < _LOOK_AGAIN_AFTER:
            return
        self._looked_at = now
        try:
            if _stamp(os.stat(self._path)) != self._stamp:  # noqa: PTH116  # a hot path of one system call
                self._ring, self._stamp = self._read()
            self.problem = ""
        except OSError as error:
            self.problem = f"{self._path} cannot be read ({error.strerror})."
        except ConfigurationError as error:
            self.problem = error.message

    def _read(self) -> tuple[KeyRing, tuple[int, ...]]:
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                content = file.read(MAX_KEY_SET_BYTES + 1)
        except OSError as error:
            raise ConfigurationError(
                "KEY_SET_UNREADABLE", f"{self._path} cannot be read ({error.strerror}); point the setting to a readable key set."
            ) from None
        if status.st_mode & 0o022:
            raise ConfigurationError("KEY_SET_EXPOSED", f"{self._path} is writable for others; `chmod go-w {self._path}`.")
        return parse_key_set(content), _stamp(status)


class UrlKeys:
    """Keys of a JSON Web Key Set behind an https URL.

    Nothing is fetched until `fetch` (blocking, for the start) or `poll`. `authority` is a PEM file of the certificate
    authority, where it is not one of the system's; `seconds` bounds one fetch.
    Raises `ConfigurationError` when the URL is not https; http is taken for loopback hosts only.
    """

    def __init__(self, url: str, *, authority: Path | None = None, seconds: float = FETCH_SECONDS) -> None:
        self._seconds = seconds
        self._url = _accepted(url)
        self._context = _tls(authority) if self._url.scheme == "https" else None
        self._ring = KeyRing({})
        self._content = b""
        self._tried_at = self._confirmed_at = -DROP_AFTER
        self._thread: threading.Thread | None = None
        self.problem = "The key set was not fetched yet."

    @property
    def ring(self) -> KeyRing:
        """Return the ring in force; empty until the first fetch."""
        return self._ring

    def miss(self, now: int) -> KeyRing:
        """Start a refresh unless one was tried within the last minute; return the ring in force without waiting."""
        self._start(now)
        return self._ring

    def poll(self, now: int) -> None:
        """Start a refresh when the keys were last confirmed ten minutes ago; drop them after a day. For a timer."""
        if not 0 <= now - self._confirmed_at < CONFIRM_AFTER:
            self._start(now)
        if self._ring.keys and now - self._confirmed_at >= DROP_AFTER:
            self._content, self._ring = b"", KeyRing({})

    def fetch(self, now: int) -> None:
        """Fetch and take the keys, blocking up to five seconds.

        Raises `Unavailable` KEY_SET_UNREACHABLE, or `ConfigurationError` when what came is not a key set.
        """
        self._tried_at = now
        try:
            content = _get(self._url, self._context, self._seconds)
            if content != self._content:
                ring = parse_key_set(content)
                self._content, self._ring = content, ring
        except MunjigiError as error:
            self.problem = error.message
            raise
        self._confirmed_at = now
        self.problem = ""

    def join(self, seconds: float) -> None:
        """Wait for a refresh that is under way."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _start(self, now: int) -> None:
        if 0 <= now - self._tried_at < REFETCH_AFTER or (self._thread is not None and self._thread.is_alive()):
            return
        self._tried_at = now
        self._thread = threading.Thread(target=self._refresh, args=(now,), name="munjigi-jwks", daemon=True)
        self._thread.start()

    def _refresh(self, now: int) -> None:
        try:
            self.fetch(now)
        except MunjigiError:
            return  # `problem` tells; health and metrics show it


def key_source(location: str, *, authority: Path | None = None, now: int | None = None) -> FileKeys | UrlKeys:
    """Return the keys of a file's path or an https URL, fetched once (blocking up to five seconds).

    An issuer that is away does not hinder the start: tokens are refused (KEY_UNKNOWN) until a refresh succeeds.
    Raises `ConfigurationError` when the location is not acceptable or what is there is not a key set.
    """
    if "://" not in location:
        return FileKeys(Path(location))
    keys = UrlKeys(location, authority=authority)
    with contextlib.suppress(Unavailable):  # `problem` tells
        keys.fetch(SystemClock().now() if now is None else now)
    return keys


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode


def _accepted(url: str) -> SplitResult:
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
        raise ConfigurationError("KEY_SET_URL", "The key set's location must be a file or an https URL without user information.")
    if parts.scheme == "http" and not _loopback(host):
        raise ConfigurationError("KEY_SET_URL", "The key set's URL is plain http; use https, http is for loopback hosts only.")
    return parts


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(authority: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if authority is None else str(authority))
    except OSError:  # ssl.SSLError is one
        raise ConfigurationError("KEY_SET_AUTHORITY", f"{authority} is not a readable PEM file of certificates.") from None


def _get(url: SplitResult, context: ssl.SSLContext | None, seconds: float) -> bytes:
    fetch = _Fetch(url, context, seconds)
    # A socket's own timeout starts again with every byte; this one does not.
    limit = threading.Timer(seconds, fetch.cut)
    limit.daemon = True
    limit.start()
    try:
        content = fetch.run()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unreachable(
            f"did not answer in time and in full ({type(error).__name__}); see whether the issuer is up."
        ) from None
    finally:
        limit.cancel()
    return content


class _Fetch:
    """One GET that another thread can cut. http.client follows no redirect and reads no proxy from the environment."""

    def __init__(self, url: SplitResult, context: ssl.SSLContext | None, seconds: float) -> None:
        self._seconds = seconds
        self._url = url
        self._context = context
        self._socket: socket.socket | None = None
        self._is_cut = False

    def run(self) -> bytes:
        host, tls = self._url.hostname or "", self._context
        self._socket = socket.create_connection((host, self._url.port or (80 if tls is None else 443)), self._seconds)
        try:
            if tls is not None:
                self._socket = wrapped = tls.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
                wrapped.do_handshake()
            connection = http.client.HTTPConnection(host, self._url.port, timeout=self._seconds)
            connection.sock = self._socket
            path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
            connection.request("GET", path, headers={"Accept": "application/json", "Connection": "close"})
            with connection.getresponse() as answer:
                if answer.status != http.client.OK:
                    raise _unreachable(f"answered {answer.status}; it must answer 200 itself, without a redirect.")
                content = answer.read(MAX_KEY_SET_BYTES + 1)
                if self._is_cut or (answer.length and len(content) <= MAX_KEY_SET_BYTES):
                    raise _unreachable("ended its answer early or took too long; see whether the issuer is up.")
                return content
        finally:
            self._socket.close()

    def cut(self) -> None:
        self._is_cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # The plain socket's method: that of a TLS socket would let a reader go on without TLS.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _unreachable(what: str) -> Unavailable:
    return Unavailable("KEY_SET_UNREACHABLE", f"The key set's URL {what}")
