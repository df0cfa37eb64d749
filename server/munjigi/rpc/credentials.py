"""What one call brings along besides its request, taken out of its metadata in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from munjigi.rpc.authentication import AUTHORIZATION, FORWARDED, TOOL_TOKEN, ListenerTrust, Presented

_TRACEPARENT = "traceparent"


class CallCredentials(NamedTuple):
    """Credentials as presented, the transport peer, and what its listener believes.

    `certificate_uris` are those of a client certificate that TLS has verified, None without TLS.
    """

    presented: Presented
    traceparent: str
    peer: str
    certificate_uris: tuple[str, ...] | None
    trust: ListenerTrust


def credentials_of(
    metadata: Iterable[tuple[str, str | bytes]], peer: str, certificate_uris: tuple[str, ...] | None, trust: ListenerTrust
) -> CallCredentials:
    """Take credentials and trace context out of a call's metadata (names in lower case, as HTTP/2 has them)."""
    authorization: str | bytes | None = None
    tool_token: str | bytes | None = None
    forwarded: str | bytes | None = None
    traceparent: str | bytes | None = None
    repeated = ""
    for name, value in metadata:
        if name == AUTHORIZATION:
            repeated = repeated if authorization is None else AUTHORIZATION
            authorization = value
        elif name == TOOL_TOKEN:
            repeated = repeated if tool_token is None else TOOL_TOKEN
            tool_token = value
        elif name == _TRACEPARENT:
            traceparent = value
        elif name == FORWARDED:
            repeated = repeated if forwarded is None else FORWARDED
            forwarded = value
    return CallCredentials(
        Presented(_text(authorization), _text(tool_token), _text(forwarded), repeated),
        _text(traceparent) or "",
        peer,
        certificate_uris,
        trust,
    )


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value
