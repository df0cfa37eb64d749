"""A verification key is public, asymmetric, strong enough, and bound to the algorithms of its own kind.

Binding algorithms to the key, not to the token's header, is what makes `alg: none` and key confusion
(a public key taken as an HMAC secret) impossible (RFC 8725 sections 3.1 and 3.2).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from munjigi.kernel.errors import ConfigurationError

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey
MAX_KEY_SET_BYTES: Final = 256 * 1024
_MAX_KEYS: Final = 100
_RSA_BITS: Final = (2048, 8192)  # above that a signature costs more than it protects
# RFC 7518 section 6 and RFC 8037: members that only a private or symmetric key has.
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# (kty, crv) -> algorithms
_ALGORITHMS: Final[dict[tuple[str, str], frozenset[str]]] = {
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("RSA", ""): frozenset({"RS256", "PS256"}),
}
ALGORITHMS: Final = frozenset().union(*_ALGORITHMS.values())


class VerificationKey(NamedTuple):
    """One public key and the algorithms that may be used with it."""

    key_id: str
    public: PublicKey
    algorithms: frozenset[str]


class KeyRing:
    """An immutable set of keys. A change of keys is another ring, told apart by identity."""

    __slots__ = ("keys",)

    def __init__(self, keys: Mapping[str, VerificationKey]) -> None:
        self.keys = keys


def parse_key_set(content: bytes) -> KeyRing:
    """Read a JSON Web Key Set (RFC 7517).

    Keys of unknown kinds, for encryption, or without an id are passed over, as RFC 7517 section 5 asks;
    private and symmetric ones refuse the whole set, because they must not be where verifiers read.
    Raises `ConfigurationError`.
    """
    if len(content) > MAX_KEY_SET_BYTES:
        raise ConfigurationError("KEY_SET_INVALID", "The key set is larger than 256 KiB; publish only the signing keys.")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ConfigurationError("KEY_SET_INVALID", "The key set is not JSON; it must be a JSON Web Key Set.") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise ConfigurationError(
            "KEY_SET_INVALID", f"The key set must be an object with a list `keys` of at most {_MAX_KEYS} keys."
        )
    keys: dict[str, VerificationKey] = {}
    for entry in entries:
        key = _parse_key(entry)
        if key is None:
            continue
        if key.key_id in keys:
            raise ConfigurationError("KEY_SET_INVALID", "Two keys of the key set have the same `kid`; give each its own.")
        keys[key.key_id] = key
    if not keys:
        raise ConfigurationError(
            "KEY_SET_INVALID", "The key set has no usable key: Ed25519, P-256, P-384 or RSA (2048 bits or more), with a `kid`."
        )
    return KeyRing(keys)


def _parse_key(entry: object) -> VerificationKey | None:
    if not isinstance(entry, dict):
        return None
    if entry.get("kty") == "oct" or not _PRIVATE_MEMBERS.isdisjoint(entry):
        raise ConfigurationError(
            "KEY_SET_PRIVATE", "The key set holds a private or symmetric key; publish public keys only, and replace that key."
        )
    key_id, kind, curve = entry.get("kid"), entry.get("kty"), entry.get("crv", "")
    if not isinstance(key_id, str) or not 1 <= len(key_id) <= 256 or not isinstance(kind, str) or not isinstance(curve, str):
        return None
    if entry.get("use", "sig") != "sig" or not _may_verify(entry.get("key_ops")):
        return None
    algorithms = _ALGORITHMS.get((kind, curve), frozenset())
    if "alg" in entry:
        # Where the set names an algorithm, only that one.
        algorithms = frozenset(name for name in algorithms if name == entry["alg"])
    if not algorithms:
        return None
    try:
        public = jwt.PyJWK({**entry, "alg": min(algorithms)}).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
    if not isinstance(public, Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey):
        return None
    if isinstance(public, RSAPublicKey) and not _RSA_BITS[0] <= public.key_size <= _RSA_BITS[1]:
        return None
    return VerificationKey(key_id, public, algorithms)


def _may_verify(operations: object) -> bool:
    return operations is None or (isinstance(operations, list) and "verify" in operations)


def public_jwk(public: Ed25519PublicKey) -> dict[str, Any]:
    """Return the JSON Web Key of an Ed25519 key; its id is its thumbprint (RFC 7638, RFC 8037)."""
    x = base64.urlsafe_b64encode(public.public_bytes_raw()).rstrip(b"=").decode("ascii")
    thumbprint = hashlib.sha256(json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":")).encode()).digest()
    key_id = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode("ascii")
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key_id, "alg": "EdDSA", "use": "sig"}
