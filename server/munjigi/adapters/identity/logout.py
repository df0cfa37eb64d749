"""A logout token ends a session only if the provider signed it just now, for one of our clients, and as nothing else.

OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6. A token is accepted once; its times make a second one harmless even where
that was forgotten: what it ends, it ended before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container
from typing import Final, NamedTuple

import jwt
import msgspec

from munjigi.adapters.identity.keys import ALGORITHMS
from munjigi.adapters.identity.tokens import KeySource, split_token
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import Unauthenticated
from munjigi.kernel.identity import LONGEST_TOKEN, SessionEnd

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
FRESH: Final = 120 * SECOND  # since the token was issued
AHEAD: Final = 60 * SECOND  # what the provider's clock may be before ours
# Providers of before the final specification call it `JWT`. The event, and the lack of a nonce, tell it from all other tokens.
_TYPES: Final = frozenset(("logout+jwt", "application/logout+jwt", "jwt", ""))
_REMEMBERED: Final = 10_000
_MAX_NAME_BYTES: Final = 128
_signatures: Final = jwt.PyJWS(algorithms=sorted(ALGORITHMS))


class _Header(msgspec.Struct):
    alg: str
    kid: str
    typ: str = ""
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Body(msgspec.Struct):
    iss: str
    aud: str | list[str]
    iat: float
    jti: str
    events: dict[str, dict[str, msgspec.Raw]]
    exp: float | msgspec.UnsetType = msgspec.UNSET
    sub: str = ""
    sid: str = ""
    nonce: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_header_decoder: Final = msgspec.json.Decoder(_Header)
_body_decoder: Final = msgspec.json.Decoder(_Body)


class Logout(NamedTuple):
    """A verified logout: what it ends, and the token's own id."""

    end: SessionEnd
    token_id: str


class LogoutVerifier:
    """Verify the logout tokens of one issuer, with the keys that its access tokens are verified with."""

    def __init__(self, keys: KeySource, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._seen: OrderedDict[str, None] = OrderedDict()

    def verify(self, token: str, clients: Container[str], now: int) -> Logout:
        """Return what a token ends at `now` (UTC nanoseconds). `clients` are those that this installation has at the provider.

        Raises `Unauthenticated` LOGOUT_TOKEN_INVALID that says what is wrong, or KEY_UNKNOWN.
        """
        header_part, body_part = split_token(token)
        try:
            header = _header_decoder.decode(header_part)
            body = _body_decoder.decode(body_part)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise _invalid("is not a signed JWT with `iss`, `aud`, `iat`, `jti` and `events`") from None
        if header.crit is not msgspec.UNSET or header.typ.lower() not in _TYPES:
            raise _invalid("is of another type")
        self._check_signature(token, header, now)
        self._check(body, clients, now)
        ended_at = int(body.iat) * SECOND
        return Logout(SessionEnd(body.iss, body.sub, body.sid, ended_at, ended_at + LONGEST_TOKEN + AHEAD), body.jti)

    def accepted(self, token_id: str) -> None:
        """Remember a token whose session is ended: it is refused from now on."""
        self._seen[token_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _check_signature(self, token: str, header: _Header, now: int) -> None:
        key = self._keys.ring.keys.get(header.kid) or self._keys.miss(now).keys.get(header.kid)
        if key is None:
            raise Unauthenticated(
                "KEY_UNKNOWN", "The signing key is not known here; retry in some seconds if the issuer has new keys."
            )
        if header.alg not in key.algorithms:
            raise _invalid("has an algorithm that is not its key's")
        try:
            _signatures.decode_complete(token, key.public, algorithms=[header.alg])
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _invalid("has a wrong signature") from None

    def _check(self, body: _Body, clients: Container[str], now: int) -> None:
        issued = body.iat * SECOND
        names = (body.sub, body.sid, body.jti)
        for wrong, what in (
            (body.iss != self._issuer, "is of another issuer"),
            (
                not any(each in clients for each in ([body.aud] if isinstance(body.aud, str) else body.aud)),
                "is for another client",
            ),
            (EVENT not in body.events, "has no logout event"),
            (body.nonce is not msgspec.UNSET, "has a nonce, as only an identity token has"),
            (not body.jti or not (body.sub or body.sid), "names no token id, or neither subject nor session"),
            (
                any(len(each.encode()) > _MAX_NAME_BYTES or not (each.isprintable() or not each) for each in names),
                "has a name too long",
            ),
            (not issued - AHEAD <= now < issued + FRESH, "was not issued just now"),
            (body.exp is not msgspec.UNSET and now >= body.exp * SECOND, "has expired"),
            (body.jti in self._seen, "was accepted before"),
        ):
            if wrong:
                raise _invalid(what)


def _invalid(what: str) -> Unauthenticated:
    return Unauthenticated("LOGOUT_TOKEN_INVALID", f"The logout token {what}.")
