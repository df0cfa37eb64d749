"""A token is believed only if a key of the issuer signed exactly these bytes, for us, for this kind of bearer.

The cache holds one fact, "this signature is good", with the claims that were signed. Expiry and not-before
are looked at on every call, and the cache is emptied when the key ring changes. It is keyed by the
token's digest, so that ten thousand tokens are neither kept in memory nor to be found there. Sources:
RFC 7519, RFC 8725, RFC 9068.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections import OrderedDict
from hashlib import sha256
from typing import Final, Protocol

import jwt
import msgspec

from munjigi.adapters.identity.keys import ALGORITHMS, KeyRing
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import Unauthenticated
from munjigi.kernel.identity import LONGEST_TOKEN, Claims, SignIn

AUDIENCE: Final = "munjigi"
EMPLOYEE_TYPE: Final = "at+jwt"
TOOL_TYPE: Final = "munjigi-tool+jwt"
EMPLOYEE_TYPES: Final = frozenset({EMPLOYEE_TYPE})
TOOL_TYPES: Final = frozenset({TOOL_TYPE})
MAX_TOKEN_CHARS: Final = 8 * 1024
CACHE_ENTRIES: Final = 10_000
_MAX_NAME_BYTES: Final = 128
_LATEST: Final = 1 << 33  # seconds; the year 2242. Later times would not fit int64 nanoseconds


class KeySource(Protocol):
    """Where verification keys come from."""

    @property
    def ring(self) -> KeyRing:
        """Return the ring in force; another object after each change."""
        ...

    def miss(self, now: int) -> KeyRing:
        """Tell the source that a key id is unknown; return the ring to look in again, never blocking on a network."""
        ...

    def poll(self, now: int) -> None:
        """Look for changed keys if it is time to, never blocking on a network."""
        ...


class _Header(msgspec.Struct):
    alg: str
    kid: str = ""
    typ: str = ""
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Body(msgspec.Struct):
    iss: str
    sub: str
    exp: float
    aud: str | list[str] = ""
    nbf: float = 0
    iat: float = 0
    auth_time: float = 0
    acr: str = ""
    sid: str = ""
    azp: str = ""
    client_id: str = ""


_header_decoder: Final = msgspec.json.Decoder(_Header)
_body_decoder: Final = msgspec.json.Decoder(_Body)
_signatures: Final = jwt.PyJWS(algorithms=sorted(ALGORITHMS))


class JwtVerifier:
    """Verify the tokens of one issuer and one kind.

    `types` are the accepted `typ` headers in lower case: only `munjigi-tool+jwt` for tools, `at+jwt` for employees;
    a provider that signs access tokens as `JWT` needs that name added by configuration. `skew` nanoseconds
    are given to not-before, for an issuer whose clock is ahead; expiry is never stretched.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        types: frozenset[str],
        audience: str = AUDIENCE,
        skew: int = 0,
        capacity: int = CACHE_ENTRIES,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._types = types | {f"application/{name}" for name in types}
        self._skew = skew
        self._capacity = capacity
        self._ring = keys.ring
        self._good: OrderedDict[bytes, Claims] = OrderedDict()

    @property
    def epoch(self) -> object:
        """Return an object that is another one after each change of keys; what was verified before is void then."""
        return self._keys.ring

    def poll(self, now: int) -> None:
        """Look for changed keys. For a timer: without it they are looked for only when a new token comes."""
        self._keys.poll(now)

    def verify(self, token: str, now: int) -> Claims:
        """Return what the token says of its bearer at `now` (UTC nanoseconds).

        Raises `Unauthenticated` with TOKEN_MALFORMED, TOKEN_ALGORITHM, TOKEN_TYPE, KEY_UNKNOWN, TOKEN_SIGNATURE,
        TOKEN_ISSUER, TOKEN_AUDIENCE, TOKEN_LIFETIME, TOKEN_NOT_YET_VALID or TOKEN_EXPIRED.
        """
        self._take_ring(self._keys.ring)
        known_by = sha256(token.encode("utf-8", "surrogatepass")).digest()  # a token that is not kept cannot be stolen
        claims = self._good.get(known_by)
        if claims is None:
            claims = self._verify(token, now)
            self._good[known_by] = claims
            if len(self._good) > self._capacity:
                self._good.popitem(last=False)
        else:
            self._good.move_to_end(known_by)
        if now >= claims.expires_at:
            del self._good[known_by]
            raise Unauthenticated("TOKEN_EXPIRED", "The token has expired; sign in again and send a fresh one.")
        if now < claims.not_before:
            raise Unauthenticated("TOKEN_NOT_YET_VALID", "The token is not valid yet; compare the clocks of issuer and gateway.")
        return claims

    def _verify(self, token: str, now: int) -> Claims:
        header_part, body_part = split_token(token)
        try:
            header = _header_decoder.decode(header_part)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise _malformed() from None
        if header.crit is not msgspec.UNSET or not header.kid:
            raise _malformed()
        if header.alg not in ALGORITHMS:
            raise _algorithm()
        if header.typ.lower() not in self._types:
            raise Unauthenticated(
                "TOKEN_TYPE", "This is another kind of token; send an access token, not an identity or tool token."
            )
        self._keys.poll(now)
        self._take_ring(self._keys.ring)
        key = self._ring.keys.get(header.kid)
        if key is None:
            self._take_ring(self._keys.miss(now))
            key = self._ring.keys.get(header.kid)
        if key is None:
            raise Unauthenticated(
                "KEY_UNKNOWN",
                "The signing key is not known here; sign in again, or retry in some seconds if the issuer has new keys.",
            )
        if header.alg not in key.algorithms:
            raise _algorithm()
        try:
            _signatures.decode_complete(token, key.public, algorithms=[header.alg])
        except jwt.InvalidSignatureError:
            raise Unauthenticated(
                "TOKEN_SIGNATURE", "The token's signature is wrong; sign in again at the configured issuer."
            ) from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _malformed() from None
        return self._claims(body_part, header.kid)

    def _take_ring(self, ring: KeyRing) -> None:
        if ring is not self._ring:
            self._good.clear()
            self._ring = ring

    def _claims(self, content: bytes, key_id: str) -> Claims:
        try:
            body = _body_decoder.decode(content)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise _malformed() from None
        if body.iss != self._issuer:
            raise Unauthenticated("TOKEN_ISSUER", "The token is from another issuer; sign in at the configured one.")
        if self._audience not in ([body.aud] if isinstance(body.aud, str) else body.aud):
            raise Unauthenticated(
                "TOKEN_AUDIENCE", "The token is for another service; ask the issuer for one with this gateway's audience."
            )
        client = body.azp or body.client_id
        times = (body.nbf, body.iat, body.auth_time)
        if body.client_id not in ("", client) or not 0 < body.exp < _LATEST or not all(0 <= time < _LATEST for time in times):
            raise _malformed()
        if not body.sub or any(
            len(name.encode()) > _MAX_NAME_BYTES or not _plain(name) for name in (body.sub, body.acr, body.sid)
        ):
            raise _malformed()
        if body.sid and not body.iat:
            raise _malformed()
        if body.iat and (body.exp - body.iat) * SECOND > LONGEST_TOKEN:
            raise Unauthenticated(
                "TOKEN_LIFETIME", "The token lives longer than 24 hours; let the issuer give shorter ones and refresh them."
            )
        # Whole seconds, rounded to the shorter life: a float of nanoseconds is off by up to 128.
        expires_at, not_before = int(body.exp) * SECOND, math.ceil(body.nbf) * SECOND - self._skew
        sign_in = SignIn(body.acr, int(body.auth_time) * SECOND, int(body.iat) * SECOND)
        return Claims(body.iss, body.sub, client, expires_at, not_before, key_id, sign_in, body.sid)


def _plain(name: str) -> bool:
    return not name or name.isprintable()


def split_token(token: str) -> tuple[bytes, bytes]:
    """Return the decoded header and body of a compact JWS of three parts. Raises `Unauthenticated` TOKEN_MALFORMED."""
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        raise _malformed()
    parts = token.split(".")
    if len(parts) != 3:
        raise _malformed()
    try:
        header, body = (base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True) for part in parts[:2])
    except (binascii.Error, ValueError):
        raise _malformed() from None
    return header, body


def _malformed() -> Unauthenticated:
    return Unauthenticated(
        "TOKEN_MALFORMED", "The token is not a signed JWT with the needed claims; sign in again and send it unchanged."
    )


def _algorithm() -> Unauthenticated:
    return Unauthenticated(
        "TOKEN_ALGORITHM",
        "The token's algorithm is not accepted; use EdDSA, ES256, ES384, RS256 or PS256 with a key of that kind.",
    )
