"""A sign-in of the terminal is one file of mode 0600 that only its person can read; whoever refreshes it holds its lock.

Providers give a refresh token once: two commands that used it at once would end the session. So the file is read again under
the lock, and the newest tokens are in it before anybody uses them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from munjigi.adapters.identity.device_flow import DeviceFlow, Tokens
from munjigi.adapters.identity.discovery import Provider
from munjigi.adapters.identity.tokens import split_token
from munjigi.adapters.secrets import read_secret, replace_file
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ConfigurationError, Unauthenticated

_EARLY: Final = 30 * SECOND  # a token that runs out this soon is not used any more


class Login(msgspec.Struct, frozen=True):
    """Who is signed in where, and by which tokens. `expires_at` is UTC nanoseconds, of the access token."""

    issuer: str
    client: str
    authority: str
    subject: str
    access_token: str
    refresh_token: str
    expires_at: int


class _Names(msgspec.Struct):
    iss: str = ""
    sub: str = ""
    exp: float = 0


def login_path() -> Path:
    """Return where the sign-in of this person lies: under XDG_STATE_HOME, or `~/.local/state`."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "munjigi" / "login.json"


def said_by(token: str) -> tuple[str, str, int]:
    """Return issuer, subject and end (UTC nanoseconds) that a token names, unverified; empty where it can't be read."""
    try:
        names = msgspec.json.decode(split_token(token)[1], type=_Names)
    except (Unauthenticated, msgspec.MsgspecError, ValueError, RecursionError):
        return "", "", 0
    return names.iss, names.sub, int(names.exp) * SECOND


class LoginFile:
    """The file of one person."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Login | None:
        """Return the sign-in, None where there is none.

        Raises `ConfigurationError` when others can read the file, or it is not ours.
        """
        if not os.path.lexists(self.path):
            return None
        try:
            return msgspec.json.decode(read_secret(self.path), type=Login)
        except (msgspec.MsgspecError, RecursionError):
            raise ConfigurationError(
                "LOGIN_FILE_INVALID", f"{self.path} is not a sign-in of munjigi; remove it and run `munjigi login`."
            ) from None

    def write(self, login: Login) -> None:
        """Keep a sign-in in the place of the one before. Raises `ConfigurationError`."""
        with self._locked():
            self._put(login)

    def remove(self) -> None:
        """Forget the sign-in."""
        with self._locked(), suppress(FileNotFoundError):
            self.path.unlink()

    def fresh(self, now: Callable[[], int], flow_of: Callable[[Login], DeviceFlow]) -> Login | None:
        """Return the sign-in with a token that can be used, refreshed if need be; None where there is none.

        Raises `Unauthenticated` SIGN_IN_ENDED, and what refreshing raises.
        """
        found = self.read()
        if found is None or now() < found.expires_at - _EARLY:
            return found
        with self._locked():
            found = self.read()  # another command may have been faster
            if found is None or now() < found.expires_at - _EARLY:
                return found
            if not found.refresh_token:
                raise Unauthenticated("SIGN_IN_ENDED", "Your sign-in has ended; run `munjigi login` again.")
            tokens = flow_of(found).refresh(found.refresh_token)
            tokens = tokens._replace(refresh=tokens.refresh or found.refresh_token)  # where it does not change, it isn't sent
            found = login_of(found.issuer, found.client, found.authority, tokens, now())
            self._put(found)
        return found

    def _put(self, login: Login) -> None:
        replace_file(self.path, msgspec.json.encode(login))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(folder / "login.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(
                "LOGIN_FILE_UNWRITABLE", f"{folder} can't be used ({error.strerror}); set XDG_STATE_HOME to a folder of yours."
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def login_of(issuer: str, client: str, authority: str, tokens: Tokens, now: int) -> Login:
    """Return what is kept of tokens that just came.

    Raises `ConfigurationError` when the access token is of another issuer.
    """
    said, subject, expires_at = said_by(tokens.access)
    if said != issuer:
        raise ConfigurationError(
            "LOGIN_ISSUER", "The provider gave an access token that is not a JWT of its own; let it issue those (RFC 9068)."
        )
    return Login(
        issuer, client, authority, subject, tokens.access, tokens.refresh, expires_at or now + int(tokens.expires_in * SECOND)
    )


def flow_of(login: Login) -> DeviceFlow:
    """Return the provider's flow for a sign-in."""
    authority = Path(login.authority) if login.authority else None
    return DeviceFlow(Provider(login.issuer, authority=authority), login.client)
