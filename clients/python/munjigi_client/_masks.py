"""Apply the masks that a decision names.

A mask is a total function: it never raises, whatever the value, and a mask that this client does not know shows
nothing. `token` needs a key that only the gateway has, so here it shows nothing, too; pass your own function for it in
`Client(masks=...)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Mask = Callable[[Any], Any]

_YEAR: Final = re.compile(r"\d{4}", re.ASCII)
_STARS: Final = "***"


def null(_value: Any) -> None:
    """Show nothing."""


def partial(value: Any) -> str | None:
    """Show enough to recognize: an e-mail's first two characters, a number's ends, a name's ends."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    local, at, domain = text.rpartition("@")
    if at:
        return f"{local[:2] if len(local) > 2 else ''}{_STARS}@{domain}"
    digits = sum(character.isdigit() for character in text)
    if digits >= 13:  # a card number: digits 7 to 12 go, as on receipts
        return _hide_digits(text, 6, 12)
    if digits >= 9:  # a telephone number: the middle block goes
        return _hide_digits(text, 3, digits - 4)
    if len(text) <= 1:
        return "*" * len(text)
    return text[0] + "*" * max(1, len(text) - 2) + (text[-1] if len(text) > 2 else "")


def year(value: Any) -> str | None:
    """Show the year of a date."""
    match = _YEAR.match(value) if isinstance(value, str) else None
    return match.group() if match else str(value.year) if isinstance(getattr(value, "year", None), int) else None


def district(value: Any) -> str | None:
    """Show the first two words of an address: the city and its district."""
    words = value.split() if isinstance(value, str) else []
    return " ".join(words[:2]) if len(words) > 2 else None


def range_of(value: Any) -> str | None:
    """Show the decade of size a number lies in, as `1000-9999`."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    low = 10 ** (len(str(abs(number))) - 1) if abs(number) >= 1 and abs(number) < 10**18 else 0
    if abs(number) >= 10**18:
        return None
    bounds = f"{low}-{low * 10 - 1}" if low else "0-0"
    return f"-({bounds})" if number < 0 else bounds


MASKS: Final[Mapping[str, Mask]] = {"null": null, "partial": partial, "year": year, "district": district, "range": range_of}


def _hide_digits(text: str, start: int, end: int) -> str:
    seen = -1
    shown = []
    for character in text:
        if character.isdigit():
            seen += 1
            shown.append("*" if start <= seen < end else character)
        else:
            shown.append(character)
    return "".join(shown)
