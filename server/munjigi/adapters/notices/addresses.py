"""From an employee's account to a mail address, by one rule of the installation: Munjigi keeps no addresses of people."""

from __future__ import annotations

import re
from typing import Final

PLACE: Final = "{subject}"
_DOMAIN: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
# Dot-atoms of RFC 5321, without what would need quotes: nothing of an account's name can become a header or a second recipient.
_ADDRESS: Final = re.compile(rf"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@{_DOMAIN}\Z")
_LONGEST: Final = 254


def address_of(rule: str, subject: str) -> str:
    """Return the address of an account; empty when the rule makes none of it."""
    made = rule.replace(PLACE, subject)
    return made if is_address(made) else ""


def is_address(text: str) -> bool:
    """Tell whether a text is a plain mail address."""
    return len(text) <= _LONGEST and _ADDRESS.match(text) is not None


def makes_addresses(rule: str) -> bool:
    """Tell whether a rule makes addresses of accounts."""
    return PLACE in rule and (rule == PLACE or is_address(rule.replace(PLACE, "x")))
