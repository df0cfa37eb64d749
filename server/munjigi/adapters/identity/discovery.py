"""What an OpenID provider publishes about itself is believed only under the very issuer that was asked.

OpenID Connect Discovery 1.0 section 4: the document lies at a fixed place under the issuer, and its `issuer` must be
the same text; no part of it is believed otherwise. An https issuer can't send us to an http address.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult

import msgspec

from munjigi.adapters.identity.web import ANSWER_SECONDS, MAX_ANSWER_BYTES, get, trust_of, web_address
from munjigi.kernel.errors import ConfigurationError

_WHERE: Final = "/.well-known/openid-configuration"
_WHAT: Final = "The provider's discovery document"


class Document(msgspec.Struct, frozen=True):
    """The parts of the document that Munjigi uses, each an address; empty where the provider has none."""

    issuer: str
    jwks_uri: str
    token_endpoint: str = ""
    device_authorization_endpoint: str = ""
    revocation_endpoint: str = ""
    end_session_endpoint: str = ""


class Provider:
    """One issuer, asked over https (http on loopback).

    `authority` is a PEM file, where the provider's certificate is not of a public authority; `seconds` bounds one answer.
    Raises `ConfigurationError` when the issuer is no address of this kind.
    """

    def __init__(self, issuer: str, *, authority: Path | None = None, seconds: float = ANSWER_SECONDS) -> None:
        self.issuer = issuer
        self._seconds = seconds
        self._issuer = web_address(issuer, "The issuer (oidc_issuer)")
        if self._issuer.query or self._issuer.fragment:
            raise ConfigurationError(
                "PROVIDER_URL", "The issuer (oidc_issuer) has a query or a fragment, and an issuer has none."
            )
        self._context = trust_of(authority) if self._issuer.scheme == "https" else None
        self._document = self._issuer._replace(path=self._issuer.path.rstrip("/") + _WHERE)

    def discover(self) -> Document:
        """Fetch the document, blocking.

        Raises `Unavailable` PROVIDER_UNREACHABLE, or `ConfigurationError` DISCOVERY_INVALID or DISCOVERY_ISSUER.
        """
        content = get(self._document, self._context, _WHAT, self._seconds)
        try:
            if len(content) > MAX_ANSWER_BYTES:
                raise ValueError
            document = msgspec.json.decode(content, type=Document)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise ConfigurationError(
                "DISCOVERY_INVALID",
                f"{_WHAT} is not one of OpenID Connect with `issuer` and `jwks_uri`; correct oidc_issuer, or name the key set "
                "in oidc_keys.",
            ) from None
        if document.issuer != self.issuer:
            raise ConfigurationError(
                "DISCOVERY_ISSUER", f"{_WHAT} is of another issuer; set oidc_issuer to exactly what its `issuer` says."
            )
        self.address(document.jwks_uri)
        return document

    def address(self, url: str) -> tuple[SplitResult, ssl.SSLContext | None]:
        """Return an address out of the document, and what is trusted there.

        Raises `ConfigurationError` PROVIDER_URL when it is not as safe as the issuer's own.
        """
        parts = web_address(url, "An address in the provider's discovery document")
        if parts.scheme != self._issuer.scheme:
            raise ConfigurationError(
                "PROVIDER_URL", f"{_WHAT} names an address that is not {self._issuer.scheme}, as the issuer is; correct it there."
            )
        return parts, self._context
