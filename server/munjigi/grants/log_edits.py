"""A log is closed for reviews by two people, who say why: one set of rules for every store.

    asked (one word) --a second person--> closed --lost once more: asked again--> asked ...

What is unknown only grows: a closing of afterwards begins no later than the one before.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from munjigi.grants.storable import check_storable
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument
from munjigi.kernel.ids import ID
from munjigi.kernel.review import LogClosing

LogChange = Literal["log_close_asked", "log_closed"]
PEOPLE: Final = 2


class LogEdit(NamedTuple):
    """Somebody asked that a log be closed, or a second person closed it. `closing` is the whole closing afterwards."""

    kind: LogChange
    closing: LogClosing


def check_log_edit(edit: LogEdit, before: LogClosing | None) -> None:
    """Refuse a closing that is not two people's, or by which less would be unknown. Raises `InvalidArgument` or `FailedPrecondition`."""
    made = edit.closing
    texts = (text for word in made.words for text in word[:4])
    check_storable(texts, (made.unknown_from, made.closed_at, *(word.at for word in made.words)))
    if ID.match(made.log_id) is None:
        raise InvalidArgument("LOG_ID_INVALID", "A log id is 1 to 64 of A-Z a-z 0-9 . _ -")
    waits = before is not None and len(before.words) < PEOPLE
    if edit.kind == "log_close_asked":
        if waits:
            raise FailedPrecondition("CLOSING_ASKED", "Somebody has asked to close this log; a second person closes it.")
        stands = (before.unknown_from, before.closed_at) if before is not None else (made.unknown_from, 0)
        if len(made.words) != 1 or (made.unknown_from, made.closed_at) != stands:
            raise InvalidArgument("CLOSING_INVALID", "A closing begins with one word, and changes nothing yet.")
        return
    if before is None or not waits:
        raise FailedPrecondition("CLOSING_NOT_ASKED", "Nobody has asked to close this log; two people close it.")
    if made.words[:-1] != before.words or made.words[-1].person_id == before.words[0].person_id:
        raise FailedPrecondition("CLOSING_SAID", "You have asked to close this log; a second person has to say the same.")
    if made.closed_at != made.words[-1].at or not made.unknown_from <= min(before.unknown_from, made.closed_at):
        raise InvalidArgument("CLOSING_INVALID", "A log is closed from where its use is unknown to now.")
