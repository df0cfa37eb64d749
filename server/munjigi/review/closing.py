"""Close a log that is lost for good, so that reviews wait for it no longer: two people say so, and nothing is taken over what is unknown then."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from munjigi.grants.book import Book
from munjigi.grants.changes import Edit
from munjigi.grants.eligibility import behind
from munjigi.grants.log_edits import PEOPLE, LogEdit
from munjigi.kernel.errors import FailedPrecondition, NotFound
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import LogClosing, Override
from munjigi.review.apply import USE_KNOWN
from munjigi.review.campaign import looks
from munjigi.review.usage import VALIDITY
from munjigi.review.words import typed


class LogSeen(NamedTuple):
    """What is known of a log: whether use is, or should be, counted of it; a worker writes it now; it is counted up to when (UTC nanoseconds)."""

    known: bool
    alive: bool
    counted_to: int

    def closable(self, now: int) -> bool:
        """Tell whether people may close it now (UTC nanoseconds): it is known, no worker writes it, and it was not counted lately."""
        return self.known and not self.alive and self.counted_to < now - USE_KNOWN


class Closed(NamedTuple):
    """The edit of a word, and what is said of the log afterwards."""

    edits: tuple[Edit, ...]
    closing: LogClosing


def close_log(book: Book, log_id: str, seen: LogSeen, reason: str, by: EmployeeKey) -> Closed:
    """Say that a log is lost; when a second person has said so, it is closed: its use is unknown from where it is counted to now.

    Raises `NotFound` for a log that nobody knows, `FailedPrecondition` for one that is written or counted now, or when the caller
    has said so, and `InvalidArgument`.
    """
    person = behind(book, by)
    word = Override(person.person_id, *by, typed(reason), book.now)
    if not seen.known:
        raise NotFound("LOG_UNKNOWN", "No use is counted of a log with this id; `USAGE_GAP` names the one that lacks.")
    if not seen.closable(book.now):
        raise FailedPrecondition(
            "LOG_NOT_LOST",
            "A worker writes this log, or it was counted within the last 15 minutes, so it is not lost; look whether its host's follower runs.",
        )
    counted = max(seen.counted_to - VALIDITY, 0)  # what was read then may have been confirmed in what is lost
    before = next((each for each in looks(book).closings() if each.log_id == log_id), None)
    if before is None or len(before.words) >= PEOPLE:
        unknown_from, closed_at = (before.unknown_from, before.closed_at) if before is not None else (counted, 0)
        made = LogClosing(log_id, (word,), unknown_from, closed_at)
        return Closed((LogEdit("log_close_asked", made),), made)
    if before.words[0].person_id == person.person_id:
        raise FailedPrecondition("CLOSING_SAID", "You have asked to close this log; a second person has to say the same.")
    since = min(before.unknown_from, counted)
    made = replace(before, words=(*before.words, word), unknown_from=since, closed_at=book.now)
    return Closed((LogEdit("log_closed", made),), made)
