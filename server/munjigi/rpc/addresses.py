"""A transport peer becomes the text of an address: no port, no brackets, no zone, IPv4 never dressed as IPv6."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

LOCAL: Final = "local"  # a Unix socket
UNKNOWN: Final = "unknown"


# Ports make peers distinct, so the cache is as long as the connections that may be open at once.
@lru_cache(maxsize=10_000)
def address_of(peer: str) -> str:
    """Return the address in a gRPC peer such as `ipv4:127.0.0.1:5000`, `ipv6:%5B::1%5D:5000` or `unix:/path`.

    A Unix socket is `local`; what is none of these is `unknown`.
    """
    kind, _, rest = peer.partition(":")
    if kind in ("unix", "unix-abstract"):
        return LOCAL
    if kind not in ("ipv4", "ipv6"):
        return UNKNOWN
    try:
        return plain(unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0])
    except ValueError:
        return UNKNOWN


def plain(text: str) -> str:
    """Return the one form of an address: IPv4 never dressed as IPv6.

    Raises `ValueError` when it is none, or has a zone: that could be any text.
    """
    if "%" in text:
        raise ValueError
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
