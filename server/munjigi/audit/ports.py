"""What the follower reads from and writes to, and what people search: logs by cursor, and projections of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.ids import parse_record_id

MAX_PAGE: Final = 1000  # records


class LogSource(Protocol):
    """An append-only dense sequence of records, whose oldest ones retention may have removed."""

    @property
    def log_id(self) -> str:
        """The log's id."""
        ...

    def first(self) -> int:
        """Return the index of the first record that is still there. Raises `Unavailable`."""
        ...

    def epoch(self) -> tuple[int, int]:
        """Return a value that changes whenever the end of the log may have been cut since the last look."""
        ...

    def read(self, from_index: int, limit: int) -> list[tuple[int, bytes]]:
        """Return at most `limit` whole records from `from_index` on, as (index, canonical bytes).

        Empty when there are none yet. Raises `NotFound` `RECORD_REMOVED` below `first()`, `Corruption` when bytes are not
        what was written, `Unavailable` when the log can't be read now.
        """
        ...

    def settle(self) -> None:
        """Return when all that `read` has returned is on stable storage. Raises `Unavailable`."""
        ...

    def close(self) -> None:
        """Let go of what is open. A second call does nothing."""
        ...


class RecordQuery(NamedTuple):
    """Conditions that must all hold; an empty one holds always.

    `members` are references, any of which must occur; `holder` is whom the grant of a permission record belongs to;
    `decision_id` finds the decision and its confirmations;
    [from_time, to_time) in UTC nanoseconds, 0 for open ends.
    """

    employee: str = ""
    tool: str = ""
    members: tuple[str, ...] = ()
    resource: str = ""
    decision_id: str = ""
    event_type: str = ""
    decision: str = ""
    case_id: str = ""
    from_time: int = 0
    to_time: int = 0
    holder: str = ""

    def check(self) -> None:
        """Refuse values that no record can hold. Raises `InvalidArgument`."""
        try:
            for text in (
                self.employee,
                self.tool,
                *self.members,
                self.resource,
                self.event_type,
                self.decision,
                self.case_id,
                self.holder,
            ):
                text.encode()
        except UnicodeEncodeError:
            raise InvalidArgument("QUERY_INVALID", "A condition of the search is not valid Unicode text.") from None
        if not (0 <= self.from_time < 1 << 63 and 0 <= self.to_time < 1 << 63):
            raise InvalidArgument("QUERY_INVALID", "A time is UTC nanoseconds since 1970.")
        if 0 < self.to_time <= self.from_time:
            raise InvalidArgument("TIME_RANGE_REVERSED", "The range ends before it begins; exchange the two times.")

    def position(self) -> tuple[str, int] | None:
        """Return where the decision asked for lies, as (log id, index); None when none was asked for.

        Raises `InvalidArgument` when `decision_id` is not a record id.
        """
        return parse_record_id(self.decision_id) if self.decision_id else None


@dataclass(frozen=True, slots=True)
class IndexedRecord:
    """A record that was found. `payload` are its canonical bytes."""

    log_id: str
    index: int
    time: int
    payload: bytes


class RecordPage(NamedTuple):
    """Records, newest first; the token of the next page, empty on the last one."""

    records: list[IndexedRecord]
    next_page_token: str


class RecordSearch(Protocol):
    """What finds records, wherever their projection lies.

    All answer a question alike: the same records, byte by byte, in the same order (time, log id, index, each descending).
    Every method raises `FailedPrecondition` after `close`, `Unavailable` when the projection can't be reached, and
    `Corruption` when what it found is not what the log says.
    """

    def holds(self, log_id: str, below: int) -> bool:
        """Tell whether a search finds every record of a log below that index."""
        ...

    def search(self, query: RecordQuery, page_size: int, page_token: str = "") -> RecordPage:
        """Return a page of 1 to `MAX_PAGE` records, newest first.

        A page never repeats or skips a record that was there when the first page was read. Raises
        `InvalidArgument` for a page size out of range, a token that is not of this query, or a malformed decision id.
        """
        ...

    def close(self) -> None:
        """Let go of the projection. A second call does nothing."""
        ...


class AuditIndex(RecordSearch, Protocol):
    """A projection of logs that the follower writes, made for searching. Any of it can be lost and made again."""

    def ingest(self, log_id: str, first_index: int, records: Sequence[bytes]) -> int:
        """Take records [first_index, ...) and move the log's cursor, both or neither; return how many were new.

        Records below the cursor are passed over, so that a repeated call changes nothing. Raises
        `FailedPrecondition` when records between the cursor and `first_index` are lacking, `Corruption` when bytes are
        not a record of that index.
        """
        ...

    def cursor(self, log_id: str) -> int:
        """Return the index after the last one taken; 0 for an unknown log."""
        ...

    def payload(self, log_id: str, index: int) -> bytes | None:
        """Return the canonical bytes of one record; None when it is not here."""
        ...

    def truncate(self, log_id: str, next_index: int) -> None:
        """Forget the records of a log from `next_index` on, and set its cursor there."""
        ...

    def forget(self, log_id: str, first_index: int) -> None:
        """Forget the records of a log before `first_index`, which retention removed; the cursor is there or further on."""
        ...
