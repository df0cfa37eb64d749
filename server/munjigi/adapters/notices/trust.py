"""Whose certificate a receiver of notices must have."""

from __future__ import annotations

import ssl
from pathlib import Path

from munjigi.kernel.errors import ConfigurationError


def tls_of(authority: Path | None) -> ssl.SSLContext:
    """Trust one authority, or the system's. Raises `ConfigurationError` when the file can't be used."""
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            "NOTICE_AUTHORITY_UNUSABLE", f"{authority} holds no certificates; name the receiver's authority (PEM) in the setting."
        ) from error
