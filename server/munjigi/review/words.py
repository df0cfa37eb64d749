"""What people type about a review is recorded: nobody's data may be in it (promise P5)."""

from __future__ import annotations

import re
from typing import Final

from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.personal import looks_personal

LONGEST: Final = 256  # bytes
_SERIAL: Final = re.compile(r"\d{7}")


def typed(reason: str, *, required: bool = True) -> str:
    """Return a typed reason that may be written down. Raises `InvalidArgument`."""
    text = reason.strip()
    kind = looks_personal(text) or ("member's serial" if _SERIAL.search(text) else "")
    if kind:
        raise InvalidArgument(
            "PERSONAL_DATA_IN_REASON", f"`reason` seems to hold a {kind}; name the matter by its case, without anybody's data."
        )
    if not text.isprintable() or len(text.encode("utf-8", "surrogatepass")) > LONGEST:
        raise InvalidArgument("REASON_INVALID", f"`reason` is one line of text, of at most {LONGEST} bytes.")
    if required and not text:
        raise InvalidArgument("REASON_REQUIRED", "Say why in `reason`: a word that is not the plan's needs one.")
    return text
