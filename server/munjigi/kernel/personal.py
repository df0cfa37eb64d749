"""Recognise what must not be written down: values that look like personal data or a credential (promise P5).

Used on free identifiers that a caller chooses (request ids, session ids, case ids) before they
reach a record or a log line. A match refuses the request; nothing is masked and kept.
"""

from __future__ import annotations

import re
from typing import Final

_PATTERNS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    # Resident registration number: yymmdd-Sxxxxxx (Resident Registration Act, Enforcement Rule art. 2).
    ("resident number", re.compile(r"(?<!\d)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[-_. ]?[0-8]\d{6}(?!\d)")),
    # Mobile and geographic telephone numbers (Telecommunications numbering plan).
    ("telephone number", re.compile(r"(?<!\d)(?:\+?82[-_. ]?|0)(?:1[016789]|2|[3-6]\d|70)[-_. ]?\d{3,4}[-_. ]?\d{4}(?!\d)")),
    ("card number", re.compile(r"(?<!\d)(?:\d[-_. ]?){15}\d(?!\d)")),
    # A JSON Web Token's header (RFC 7515: base64url of `{"`): a credential in a log is a second key.
    ("sign-in token", re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,}\.")),
    ("e-mail address", re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")),
)


def looks_personal(text: str) -> str:
    """Name the kind of personal data or credential that `text` seems to hold; empty when none is seen."""
    for kind, pattern in _PATTERNS:
        if pattern.search(text):
            return kind
    return ""
