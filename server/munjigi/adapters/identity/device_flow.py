"""Sign a person in at a terminal, by another device's browser: the terminal never sees the password.

OAuth 2.0 Device Authorization Grant (RFC 8628), refresh (RFC 6749 section 6) and revocation (RFC 7009), as a public client of
an OpenID provider. What the provider answers is untrusted text: it is measured and shown without control characters.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from munjigi.adapters.identity.discovery import Document, Provider
from munjigi.adapters.identity.web import MAX_ANSWER_BYTES, Answer, ask
from munjigi.kernel.errors import ConfigurationError, Unauthenticated, Unavailable

_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_SLOW_DOWN: Final = 5.0  # seconds (RFC 8628 section 3.5)
_LONGEST_INTERVAL: Final = 60.0
_LONGEST_WAIT: Final = 1800.0
_MAX_SHOWN: Final = 500


class Prompt(NamedTuple):
    """What the person must open, and the code to compare or type in. `complete` has the code in it, or is empty."""

    address: str
    complete: str
    code: str


class Tokens(NamedTuple):
    """What the provider gave. `expires_in` is seconds; `refresh` is empty where there is none."""

    access: str
    refresh: str
    expires_in: float


class _Device(msgspec.Struct):
    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_in: float = 600
    interval: float = 5


class _Tokens(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: float = 60
    refresh_token: str = ""


class _Error(msgspec.Struct):
    error: str


class DeviceFlow:
    """One public client of one provider, found by discovery.

    Raises `Unavailable` PROVIDER_UNREACHABLE, or `ConfigurationError` when the provider can't be used.
    """

    def __init__(self, provider: Provider, client: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._provider = provider
        self._client = client
        self._sleep = sleep
        self._document: Document = provider.discover()

    def sign_in(self, show: Callable[[Prompt], None]) -> Tokens:
        """Ask for a code, let `show` tell the person, and wait until they have signed in.

        Raises `Unauthenticated` SIGN_IN_REFUSED or SIGN_IN_LATE, and what `Provider` raises.
        """
        if not self._document.device_authorization_endpoint:
            raise ConfigurationError(
                "DEVICE_FLOW_MISSING", "The provider has no device authorization; switch it on there, or set MUNJIGI_TOKEN."
            )
        answer = self._post(self._document.device_authorization_endpoint, {"scope": "openid"})
        if answer.status != 200:
            raise _refused(_error_of(answer))
        device = _read(answer, _Device)
        show(Prompt(_plain(device.verification_uri), _plain(device.verification_uri_complete), _plain(device.user_code)))
        return self._wait(device)

    def refresh(self, refresh_token: str) -> Tokens:
        """Get fresh tokens.

        Raises `Unauthenticated` SIGN_IN_ENDED when the provider doesn't take the refresh token any more.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer = self._post(self._document.token_endpoint, form)
        if answer.status == 200:
            return _tokens(answer)
        if _error_of(answer) == "invalid_grant":
            raise Unauthenticated("SIGN_IN_ENDED", "Your sign-in has ended; run `munjigi login` again.")
        raise _refused(_error_of(answer))

    def revoke(self, refresh_token: str) -> None:
        """Make the provider forget a refresh token, and what was issued by it. Raises `Unavailable` when it can't be told."""
        if not self._document.revocation_endpoint:
            raise Unavailable("REVOCATION_MISSING", "The provider revokes no tokens; end your session there in the browser.")
        form = {"token": refresh_token, "token_type_hint": "refresh_token"}
        answer = self._post(self._document.revocation_endpoint, form)
        if answer.status != 200:
            raise Unavailable(
                "REVOCATION_FAILED", "The provider did not revoke the token; end your session there in the browser."
            )

    def _wait(self, device: _Device) -> Tokens:
        form = {"grant_type": _GRANT, "device_code": device.device_code}
        interval = min(max(device.interval, 1.0), _LONGEST_INTERVAL)
        left = min(device.expires_in, _LONGEST_WAIT)
        while left > 0:
            self._sleep(interval)
            left -= interval
            try:
                answer = self._post(self._document.token_endpoint, form)
            except Unavailable:  # RFC 8628 section 3.5: back off
                interval = min(2 * interval, _LONGEST_INTERVAL)
                continue
            if answer.status == 200:
                return _tokens(answer)
            error = _error_of(answer)
            if error == "slow_down":
                interval = min(interval + _SLOW_DOWN, _LONGEST_INTERVAL)
            elif error == "expired_token":
                break
            elif error != "authorization_pending":
                raise _refused(error)
        raise Unauthenticated("SIGN_IN_LATE", "Nobody signed in with this code in time; run `munjigi login` again.")

    def _post(self, url: str, form: dict[str, str]) -> Answer:
        parts, context = self._provider.address(url)
        return ask(parts, context, "The provider", form={"client_id": self._client, **form})


def _tokens(answer: Answer) -> Tokens:
    found = _read(answer, _Tokens)
    if found.token_type.lower() != "bearer" or not found.access_token:
        raise _unusable()
    return Tokens(found.access_token, found.refresh_token, max(found.expires_in, 0.0))


def _read(answer: Answer, kind: type[Any]) -> Any:
    try:
        if len(answer.content) > MAX_ANSWER_BYTES:
            raise ValueError
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _unusable() from None


def _error_of(answer: Answer) -> str:
    try:
        error = msgspec.json.decode(answer.content[:MAX_ANSWER_BYTES], type=_Error).error
    except (msgspec.MsgspecError, ValueError, RecursionError):
        error = ""
    return error if error.isascii() and error.replace("_", "").isalnum() and len(error) <= 64 else "no reason"


def _plain(text: str) -> str:
    return "".join(char for char in text[:_MAX_SHOWN] if char.isprintable())


def _refused(error: str) -> Unauthenticated:
    return Unauthenticated("SIGN_IN_REFUSED", f"The provider did not sign you in ({error}); ask who runs it, or try again.")


def _unusable() -> ConfigurationError:
    return ConfigurationError("PROVIDER_ANSWER", "The provider's answer is not one of OAuth 2.0; ask who runs it.")
