"""What reviews need from the outside: how everything was used, as far as it is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from munjigi.kernel.review import Permission


class LogMark(NamedTuple):
    """Up to where a log is counted: all records of it before `complete_to`, and those below `next_index`. Times are UTC nanoseconds.

    `begins_at` is the time of the first record that was counted, `time` of the last one; 0: none was. Records from `resume` on
    are read once more by whoever goes on counting, for decisions that are not confirmed yet. `closed`: the log was ended, and
    never grows.
    """

    log_id: str
    next_index: int
    begins_at: int
    time: int
    complete_to: int
    resume: int
    closed: bool = False


class Gap(NamedTuple):
    """Records of a log that were never counted: [first_index, next_index), written in [begins_at, ends_at] (UTC nanoseconds).

    A `next_index` of -1: nobody knows how many they are.
    """

    log_id: str
    first_index: int
    next_index: int
    begins_at: int
    ends_at: int


class PermissionUse(NamedTuple):
    """How one permission of a grant was used, over all that is counted. Times are UTC nanoseconds.

    Bit n of `days` is the n-th day after that of `first_at`, in the zone of the store. `members` is exact up to a bound that the
    store names, and an estimate above it.
    """

    permission: Permission
    first_at: int
    last_at: int
    uses: int
    members: int
    days: int


class UsageView(Protocol):
    """How grants were used, and how far that is known. Every method raises `Unavailable` when it can't be looked at."""

    @property
    def zone(self) -> str:
        """The time zone (IANA name) of its days."""
        ...

    def marks(self) -> tuple[LogMark, ...]:
        """Return where counting stands in each log, by log id."""
        ...

    def gaps(self) -> tuple[Gap, ...]:
        """Return what was never counted, by log id and index."""
        ...

    def of(self, grant_ids: Sequence[str]) -> Mapping[str, tuple[PermissionUse, ...]]:
        """Return how these grants were used, by permission; those that never were are left out."""
        ...

    def last_used(self, grant_ids: Sequence[str]) -> Mapping[str, int]:
        """Return when these grants were last used (UTC nanoseconds); those that never were are left out."""
        ...


class Counted(NamedTuple):
    """What some records add to the use of one permission of one grant. `days` are numbers since 1970, `members` hashes (`usage.py`)."""

    first_at: int
    last_at: int
    uses: int
    days: AbstractSet[int]
    members: AbstractSet[bytes]


class Taken(NamedTuple):
    """What was counted of a log's records from `before` (the cursor then) up to `mark.next_index`, by grant and permission.

    `claims` are decisions that were confirmed in another log than theirs, by log and index, as `claims` of the store has them. `gap` is what the
    log lacks before the first of these records.
    """

    before: int
    mark: LogMark
    counted: Mapping[str, Mapping[Permission, Counted]]
    claims: Mapping[tuple[str, int], str]
    gap: Gap | None = None


class UsageStore(UsageView, Protocol):
    """Where use is counted. The counts of some records and the cursor behind them are taken together or not at all."""

    def mark(self, log_id: str) -> LogMark | None:
        """Return where counting stands in a log; None for one that was never looked at."""
        ...

    def claims(self, log_id: str) -> Mapping[int, str]:
        """Return the decisions of a log that were confirmed in another one, by index: "" for those that are counted.

        Of the others, whose log has yet to come, the id of the confirmation.
        """
        ...

    def take(self, taken: Taken) -> bool:
        """Add counts and move the cursor, both or neither; False, and nothing, when the cursor is not at `before` (any more)."""
        ...

    def export(self) -> Iterator[bytes]:
        """Yield all that was counted in one canonical order: equal records give equal bytes, however they came."""
        ...

    def close(self) -> None:
        """Let go of it. A second call does nothing."""
        ...
