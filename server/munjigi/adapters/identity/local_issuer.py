"""The embedded default's token issuer: one Ed25519 key under the state folder, for loopback use only.

Whoever can read the 0600 key can speak as any sample employee; that is what the embedded default is, and why
`serve` refuses it on an address that is not loopback (promise P10).
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from munjigi.adapters.identity.keys import public_jwk
from munjigi.adapters.identity.tokens import AUDIENCE, EMPLOYEE_TYPE, TOOL_TYPE
from munjigi.adapters.secrets import create_once, read_secret, replace_file
from munjigi.kernel.clock import SECOND, SystemClock
from munjigi.kernel.errors import ConfigurationError
from munjigi.kernel.identity import EMBEDDED_ISSUER

EMPLOYEE_SECONDS: Final = 600  # also the longest
TOOL_SECONDS: Final = 600
LONGEST_TOOL_SECONDS: Final = 12 * 3600
_KEY: Final = "issuer.key"
_KEY_SET: Final = "issuer.jwks.json"


def issuer_key_path(state_dir: Path) -> Path:
    """Return where the private key lies."""
    return state_dir / "keys" / _KEY


def issuer_key_set_path(state_dir: Path) -> Path:
    """Return where the public key set lies."""
    return state_dir / "keys" / _KEY_SET


def ensure_issuer(state_dir: Path) -> Path:
    """Make the issuer's key on first start, publish its key set, and return the key set's path.

    Raises `ConfigurationError` when the key is exposed, is not ours, or cannot be made.
    """
    path = issuer_key_path(state_dir)
    fresh = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    create_once(path, fresh)
    published = issuer_key_set_path(state_dir)
    content = json.dumps({"keys": [public_jwk(_load(path).public_key())]}, indent=2).encode() + b"\n"
    if not published.exists() or published.read_bytes() != content:
        replace_file(published, content)
    return published


class LocalIssuer:
    """Mint tokens with the key of a state folder.

    Raises `ConfigurationError` when there is no key yet, or it is not readable for this user.
    """

    def __init__(self, state_dir: Path) -> None:
        path = issuer_key_path(state_dir)
        if not _exists(path):
            raise ConfigurationError(
                "ISSUER_KEY_MISSING", f"{path} is missing; start `munjigi serve` once with this state folder (MUNJIGI_STATE_DIR)."
            )
        self._key = _load(path)
        self._key_id: str = public_jwk(self._key.public_key())["kid"]

    def employee(self, subject: str, client: str, *, now: int, seconds: int = EMPLOYEE_SECONDS) -> str:
        """Mint an employee's access token (RFC 9068) for use through `client`, valid `seconds` from `now` (UTC nanoseconds).

        Raises `ConfigurationError` when `seconds` is outside 1 to 600.
        """
        if not 1 <= seconds <= EMPLOYEE_SECONDS:
            raise ConfigurationError("TOKEN_LIFETIME", f"An employee token lives 1 to {EMPLOYEE_SECONDS} seconds.")
        # Whoever has the key signs in anew with each token.
        return self._mint(EMPLOYEE_TYPE, {"sub": subject, "azp": client, "auth_time": now // SECOND}, now, seconds)

    def tool(self, subject: str, *, now: int, seconds: int = TOOL_SECONDS) -> str:
        """Mint a tool's token; `subject` is the tool's `token_subject` in tools.toml.

        Raises `ConfigurationError` when `seconds` is outside 1 to 43,200.
        """
        if not 1 <= seconds <= LONGEST_TOOL_SECONDS:
            raise ConfigurationError("TOKEN_LIFETIME", f"A tool token lives 1 to {LONGEST_TOOL_SECONDS} seconds.")
        return self._mint(TOOL_TYPE, {"sub": subject}, now, seconds)

    def _mint(self, kind: str, claims: dict[str, str | int], now: int, seconds: int) -> str:
        issued = now // SECOND
        body = {
            "iss": EMBEDDED_ISSUER,
            "aud": AUDIENCE,
            **claims,
            "iat": issued,
            "nbf": issued,
            "exp": issued + seconds,
            "jti": secrets.token_urlsafe(12),
        }
        return jwt.encode(body, self._key, algorithm="EdDSA", headers={"typ": kind, "kid": self._key_id})


def mint_employee(state_dir: Path, subject: str, client: str, *, now: int | None = None, seconds: int = EMPLOYEE_SECONDS) -> str:
    """Mint an employee token given only the state folder; `now` is the machine's time where it is left out.

    Raises `ConfigurationError` when the key is missing or not readable for this user.
    """
    return LocalIssuer(state_dir).employee(subject, client, now=SystemClock().now() if now is None else now, seconds=seconds)


def mint_tool(state_dir: Path, subject: str, *, now: int | None = None, seconds: int = TOOL_SECONDS) -> str:
    """Mint a tool token given only the state folder; `now` is the machine's time where it is left out.

    Raises `ConfigurationError` when the key is missing or not readable for this user.
    """
    return LocalIssuer(state_dir).tool(subject, now=SystemClock().now() if now is None else now, seconds=seconds)


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True  # a folder that we may not enter: reading it says so
    return True


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(read_secret(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            "ISSUER_KEY_INVALID", f"{path} is not an Ed25519 key in PEM; restore it, or remove it to have a new one made."
        )
    return key
