"""Addresses of settings: what they are made of, and whether what goes there stays on this machine or is encrypted."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from munjigi.kernel.errors import ConfigurationError


def split_address(address: str) -> tuple[str, int]:
    """Split `host:port`, where an IPv6 host stands in brackets.

    Raises `ConfigurationError` when it is neither.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535 or not host:
        raise ConfigurationError(
            "SETTING_INVALID", "An address looks like 127.0.0.1:7443, [::1]:7443 or unix:/run/munjigi/gateway.sock."
        )
    return host.strip("[]"), int(port)


def is_local(address: str) -> bool:
    """Tell whether an address is loopback or a Unix socket. Raises `ConfigurationError` when it is no address."""
    if address.startswith("unix:"):
        return True
    host, _ = split_address(address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def safe_webhook(url: str) -> bool:
    """Tell whether a notice to this address is encrypted, or stays on this machine."""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None or not url.isascii() or not url.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_local(f"[{parts.hostname}]:{port}"))


def local_url(url: str) -> bool:
    """Tell whether an http or https address is on this machine."""
    try:
        parts = urlsplit(url)
        return parts.hostname is not None and is_local(f"[{parts.hostname}]:{parts.port or 443}")
    except ValueError:
        return False


def safe_url(url: str) -> bool:
    """Tell whether nobody between can read or change what is sent. Raises `ConfigurationError` for what is no such address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or parts.hostname is None or parts.username is not None or port is None:
        raise ConfigurationError(
            "SETTING_INVALID",
            "An address of elasticsearch_urls looks like https://search.example:9200, with its port and without credentials.",
        )
    return parts.scheme == "https" or is_local(f"[{parts.hostname}]:{port}")
