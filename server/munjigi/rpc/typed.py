"""Reasons that people type: they are recorded, so nobody's data may be in them (promise P5).

What has a shape is found and refused; a name in a sentence has none. Whoever types is told to name the matter.
"""

from __future__ import annotations

import re
from typing import Final

from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.personal import looks_personal

_SERIAL: Final = re.compile(r"\d{7}")


def typed(reason: str) -> str:
    """Return a typed reason that may be written down. Raises `InvalidArgument`."""
    kind = looks_personal(reason) or ("member's serial" if _SERIAL.search(reason) else "")
    if kind:
        raise InvalidArgument(
            "PERSONAL_DATA_IN_REASON", f"`reason` seems to hold a {kind}; name the matter by its case, without anybody's data."
        )
    if not reason.strip() or not reason.isprintable():
        raise InvalidArgument("REASON_INVALID", "`reason` is one line of text.")
    return reason.strip()
