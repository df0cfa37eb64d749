"""The last good keys stay in force until better ones are here; looking for them never blocks a call.

A call with an unknown key id is refused (KEY_UNKNOWN) and starts a refresh in a thread, at most once a
minute; the caller's retry finds the new key. A refused or unreachable key set changes nothing but `problem`, until
the keys have not been confirmed for a day: then they are dropped (promise P3).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from munjigi.adapters.identity.discovery import Provider
from munjigi.adapters.identity.keys import MAX_KEY_SET_BYTES, KeyRing, parse_key_set
from munjigi.adapters.identity.web import ANSWER_SECONDS, get, trust_of, web_address
from munjigi.kernel.clock import SECOND, SystemClock
from munjigi.kernel.errors import ConfigurationError, MunjigiError, Unavailable

_WHAT: Final = "The key set's URL"
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
    """Keys of a JSON Web Key Set that a provider publishes; `source` gets its bytes, and is asked in a thread.

    Nothing is fetched until `fetch` (blocking, for the start) or `poll`.
    """

    def __init__(self, source: Callable[[], bytes]) -> None:
        self._source = source
        self._ring = KeyRing({})
        self._content = b""
        self._tried_at = self._missed_at = self._confirmed_at = -DROP_AFTER
        self._thread: threading.Thread | None = None
        self.problem = "The key set was not fetched yet."

    @property
    def ring(self) -> KeyRing:
        """Return the ring in force; empty until the first fetch."""
        return self._ring

    def miss(self, now: int) -> KeyRing:
        """Start a refresh unless a miss did so within the last minute; return the ring in force without waiting.

        A key that is new right after the start, or after a confirmation, is found at once all the same.
        """
        if not 0 <= now - self._missed_at < REFETCH_AFTER:
            self._missed_at = now
            self._start(now)
        return self._ring

    def poll(self, now: int) -> None:
        """Start a refresh when the keys were last confirmed ten minutes ago; drop them after a day. For a timer."""
        if not 0 <= now - self._confirmed_at < CONFIRM_AFTER and not 0 <= now - self._tried_at < REFETCH_AFTER:
            self._start(now)
        if self._ring.keys and now - self._confirmed_at >= DROP_AFTER:
            self._content, self._ring = b"", KeyRing({})

    def fetch(self, now: int) -> None:
        """Fetch and take the keys, blocking.

        Raises `Unavailable` PROVIDER_UNREACHABLE, or `ConfigurationError` when what came is not a key set.
        """
        self._tried_at = now
        try:
            content = self._source()
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
        if self._thread is not None and self._thread.is_alive():
            return
        self._tried_at = now
        self._thread = threading.Thread(target=self._refresh, args=(now,), name="munjigi-jwks", daemon=True)
        self._thread.start()

    def _refresh(self, now: int) -> None:
        try:
            self.fetch(now)
        except MunjigiError:
            return  # `problem` tells; health and metrics show it


def published_at(url: str, *, authority: Path | None = None, seconds: float = ANSWER_SECONDS) -> Callable[[], bytes]:
    """Return a source of the key set at an https URL. `authority` is a PEM file, where it is not one of the system's.

    Raises `ConfigurationError` when the URL is not https; http is taken for loopback hosts only.
    """
    parts = web_address(url, "The key set's location")
    context = trust_of(authority) if parts.scheme == "https" else None
    return lambda: get(parts, context, _WHAT, seconds)


def published_by(provider: Provider, seconds: float = ANSWER_SECONDS) -> Callable[[], bytes]:
    """Return a source of the key set that a provider's discovery document names; that document is read anew each time."""

    def source() -> bytes:
        return get(*provider.address(provider.discover().jwks_uri), _WHAT, seconds)

    return source


def key_source(location: str, *, issuer: str = "", authority: Path | None = None, now: int | None = None) -> FileKeys | UrlKeys:
    """Return the keys of a file's path or an https URL, or without a location those that `issuer` publishes; fetched once.

    Blocks up to ten seconds. A provider that is away does not hinder the start: tokens are refused (KEY_UNKNOWN) until a
    refresh succeeds. Raises `ConfigurationError` when the location is not acceptable or what is there is not a key set.
    """
    if location and "://" not in location:
        return FileKeys(Path(location))
    source = published_at(location, authority=authority) if location else published_by(Provider(issuer, authority=authority))
    keys = UrlKeys(source)
    with contextlib.suppress(Unavailable):  # `problem` tells
        keys.fetch(SystemClock().now() if now is None else now)
    return keys


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode
