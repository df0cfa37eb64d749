"""What proves to a receiver that a notice is ours: HMAC-SHA-256 as Standard Webhooks 1.0.0 has it (standardwebhooks.com).

Signed is `<webhook-id>.<webhook-timestamp>.<body>`. Secrets are written `whsec_` and Base64 of 24 to 64 random bytes. While one
is replaced a file has two: the new one first, and every message is signed with both.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from pathlib import Path
from typing import Final

from munjigi.adapters.secrets import read_secret
from munjigi.kernel.errors import ConfigurationError

PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes, as the specification has them


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """Read the secrets of a file, one a line.

    Raises `ConfigurationError` when it is missing, others can read it, or a line is no secret.
    """
    lines = read_secret(path).decode("ascii", "replace").split() if path.exists() else []
    found = tuple(_secret(line) for line in lines)
    if not found or not all(found):
        raise ConfigurationError(
            "NOTICE_SECRET_INVALID",
            f"{path} must be there with a secret a line, `{PREFIX}` and Base64 of {_SHORTEST} to {_LONGEST} bytes; make one with "
            f"`printf '{PREFIX}%s\\n' \"$(openssl rand -base64 32)\"`, mode 0600.",
        )
    return found


def _secret(line: str) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(PREFIX), validate=True) if line.startswith(PREFIX) else b""
    except binascii.Error:
        return b""
    return key if _SHORTEST <= len(key) <= _LONGEST else b""


def signature(secrets: tuple[bytes, ...], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`; `timestamp` in seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode("ascii") for key in secrets)
