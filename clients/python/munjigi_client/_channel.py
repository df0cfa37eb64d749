"""How the client reaches Munjigi: address, TLS, keep-alive, and which calls may be sent twice.

Retries. gRPC itself resends a call that surely never reached a server. Beyond that, a call that ended UNAVAILABLE is
sent again (three times in all, inside its deadline) only when that is safe: Check and BatchCheck, because each answer is
decided afresh and recorded by itself, so that a lost answer leaves one more record and never one more access; ConfirmRead,
because it is idempotent by decision id; and the reading calls. ReloadPolicy and VerifyJournal are sent once. When most
calls fail, `retryThrottling` stops the resending, so that clients don't hold a struggling gateway down.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from munjigi_client._errors import ConfigurationError

_SAFE_TO_RESEND: Final = (
    ("DecisionService", "Check"),
    ("DecisionService", "BatchCheck"),
    ("DecisionService", "ConfirmRead"),
    ("DecisionService", "WhatCan"),
    ("AuditService", "SearchRecords"),
    ("GrantService", "ListGrants"),
    ("PolicyService", "GetPolicyStatus"),
    ("PolicyService", "ValidatePolicy"),
)
_SERVICE_CONFIG: Final = {
    "methodConfig": [
        {
            "name": [{"service": f"munjigi.v1.{service}", "method": method} for service, method in _SAFE_TO_RESEND],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
}
OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # A dead peer is noticed within the keep-alive time plus its limit; grpc also takes the limit as TCP_USER_TIMEOUT.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    # A restarted gateway is found again at once instead of after grpc's default of up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Credentials go to Munjigi, not through whatever proxy the environment names.
    ("grpc.enable_http_proxy", 0),
    ("grpc.primary_user_agent", "munjigi-client-python"),
)


@dataclass(frozen=True, slots=True)
class TLS:
    """Files in PEM: the authority to trust, and the tool's certificate and key for mutual TLS.

    `server_name` is checked against the server's certificate when the address is not the name in it.
    """

    authority: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    server_name: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises `ConfigurationError` when one can't be read or half of a pair is missing."""
        if (self.certificate is None) != (self.key is None):
            raise ConfigurationError("TLS_INCOMPLETE", "`certificate` and `key` go together; give both or neither.")
        return grpc.ssl_channel_credentials(_read(self.authority), _read(self.key), _read(self.certificate))


def _read(path: str | Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError("TLS_FILE_UNREADABLE", f"A TLS file cannot be read: {error.strerror}.") from error


def open_channel(
    target: str,
    tls: TLS | None,
    credentials: grpc.ChannelCredentials | None,
    insecure: Callable[..., Any],
    secure: Callable[..., Any],
) -> Any:
    """Open a sync or aio channel; the two factories decide which.

    Raises `ConfigurationError` when the address is not on this machine and neither `tls` nor `credentials` is given.
    """
    if tls is not None and credentials is not None:
        raise ConfigurationError("TLS_TWICE", "Give `tls` or `credentials`, not both.")
    options: Sequence[tuple[str, Any]] = OPTIONS
    if tls is not None:
        credentials = tls.credentials()
        if tls.server_name:
            options = (*OPTIONS, ("grpc.ssl_target_name_override", tls.server_name))
    if credentials is not None:
        return secure(target, credentials, options=options)
    if not is_local(target):
        raise ConfigurationError("TLS_REQUIRED", "This address is not on this machine: give `tls` (or `credentials`).")
    return insecure(target, options=options)


def is_local(target: str) -> bool:
    """Tell whether the address cannot leave this machine: a Unix socket, `localhost`, or a loopback address."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    for scheme in ("dns:///", "dns:", "ipv4:", "ipv6:"):
        target = target.removeprefix(scheme)
    host, _, port = target.rpartition(":")
    if not port.isdigit():
        return False
    host = host.removeprefix("[").removesuffix("]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
