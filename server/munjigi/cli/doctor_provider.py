"""The doctor's look at the OpenID provider: whether it is found by its issuer, and which keys it publishes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from munjigi.cli.doctor_finding import Finding

if TYPE_CHECKING:
    from munjigi.app.config import Settings

_CHECK: Final = "provider"


def provider(settings: Settings) -> Iterable[Finding]:
    """Ask the provider as the gateway does. Raises what that raises."""
    from munjigi.adapters.identity.discovery import Provider
    from munjigi.adapters.identity.jwks import published_by
    from munjigi.adapters.identity.keys import parse_key_set

    if settings.identity != "oidc":
        yield Finding(_CHECK, "skip", "the embedded issuer signs employees' tokens")
        return
    if settings.oidc_keys:
        yield Finding(_CHECK, "skip", "the key set is named by oidc_keys", "Without it, the issuer alone is enough.")
        return
    asked = Provider(settings.oidc_issuer, authority=settings.oidc_authority)
    keys = parse_key_set(published_by(asked)()).keys
    algorithms = ", ".join(sorted({name for key in keys.values() for name in key.algorithms}))
    yield Finding(_CHECK, "ok", f"{settings.oidc_issuer} publishes {len(keys)} usable keys ({algorithms})")
    if not settings.oidc_logout_address:
        todo = "Set MUNJIGI_OIDC_LOGOUT_ADDRESS, and its address at the provider; until then a session here ends with its token."
        yield Finding(_CHECK, "warn", "sessions that end at the provider go on here", todo)
