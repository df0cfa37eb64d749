"""`x-forwarded-client-cert` names a tool only when it is one element with one URI; anything else is refused.

Two elements mean that a second proxy, or the caller, had a say. Grammar: Envoy, HTTP header manipulation,
`x-forwarded-client-cert`: elements split by `,`, pairs by `;`, values with one of `,;=` in double quotes.
"""

from __future__ import annotations

import re
from typing import Final

from munjigi.kernel.errors import Unauthenticated

_LONGEST: Final = 16 * 1024  # a quoted certificate chain may be among the pairs
_PAIR: Final = re.compile(r'(By|Hash|Cert|Chain|Subject|URI|DNS)=(?:"((?:[^"\\]|\\["\\])*)"|([^",;=\\]*))(;|\Z)', re.IGNORECASE)
_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*://[\x21-\x7e]{1,2000}\Z")


def forwarded_uri(header: str) -> str:
    """Return the one URI of the header's one element.

    Raises `Unauthenticated` with XFCC_MALFORMED when it has another shape, XFCC_ELEMENTS when there are more
    elements, and XFCC_URI when there is not exactly one URI.
    """
    if not header or len(header) > _LONGEST or not header.isascii() or not header.isprintable():
        raise _refusal("XFCC_MALFORMED")
    uris = []
    at = 0
    while at < len(header):
        pair = _PAIR.match(header, at)
        if pair is None:
            raise _refusal("XFCC_ELEMENTS" if "," in _unquoted(header[at:]) else "XFCC_MALFORMED")
        if pair[1].upper() == "URI":
            uris.append(pair[3] if pair[2] is None else re.sub(r"\\(.)", r"\1", pair[2]))
        at = pair.end()
    if header.endswith(";"):
        raise _refusal("XFCC_MALFORMED")
    if len(uris) != 1 or not _URI.match(uris[0]):
        raise _refusal("XFCC_URI")
    return uris[0]


def _unquoted(text: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"', "", text)


def _refusal(reason: str) -> Unauthenticated:
    return Unauthenticated(
        reason,
        "The proxy must set `x-forwarded-client-cert` itself (SANITIZE_SET) to one element with exactly one URI, the tool's.",
    )
