"""Page tokens: where the last page ended, bound to the query that it belongs to."""

from __future__ import annotations

import hashlib
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

import msgspec

from munjigi.audit.ports import MAX_PAGE, RecordQuery
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.ids import is_log_id

_TOKEN: Final = struct.Struct(">8sqq20s")


@dataclass(frozen=True, slots=True)
class Place:
    """The last record of a page."""

    time: int
    log_id: str
    index: int


def check_size(page_size: int) -> None:
    """Refuse a page size out of range. Raises `InvalidArgument`."""
    if not 1 <= page_size <= MAX_PAGE:
        raise InvalidArgument("PAGE_SIZE_INVALID", f"`page_size` is 1 to {MAX_PAGE}.")


def token_of(query: RecordQuery, place: Place) -> str:
    """Return the token that continues `query` after `place`."""
    data = _TOKEN.pack(_digest(query), place.time, place.index, place.log_id.encode("ascii"))
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def place_of(query: RecordQuery, token: str) -> Place | None:
    """Return where the page before ended; None for the first page.

    Raises `InvalidArgument` when the token is not one that `token_of` made for this query.
    """
    if not token:
        return None
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        _, time, index, log_id = _TOKEN.unpack(data)
        place = Place(time, log_id.decode("ascii"), index)
        if is_log_id(place.log_id) and min(index, time) >= 0 and token_of(query, place) == token:
            return place
    except (ValueError, struct.error):
        pass
    raise InvalidArgument("PAGE_TOKEN_INVALID", "`page_token` is not from the page before; repeat the search without it.")


def _digest(query: RecordQuery) -> bytes:
    return hashlib.sha256(msgspec.msgpack.encode(query)).digest()[:8]
