"""Pages of lists that are computed whole (AIP-158). The token is the position of the next entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from munjigi.kernel.errors import InvalidArgument

DEFAULT_PAGE: Final = 100
T = TypeVar("T")


def page_of(entries: Sequence[T], page_size: int, page_token: str) -> tuple[Sequence[T], str]:
    """Return one page and the token of the next; an empty token on the last.

    Raises `InvalidArgument` when the token is not one of ours.
    """
    start = 0
    if page_token:
        if not (page_token.isascii() and page_token.isdigit()) or len(page_token) > 9:
            raise InvalidArgument("PAGE_TOKEN_INVALID", "Use the page token of the previous page as it is, or none.")
        start = int(page_token)
    end = start + (page_size or DEFAULT_PAGE)
    return entries[start:end], str(end) if end < len(entries) else ""
