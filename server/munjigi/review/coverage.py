"""Whether use is known well enough to judge by it (REVIEW R11): a review never takes what may be used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from munjigi.kernel.clock import to_rfc3339
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.review import LogClosing
from munjigi.review.ports import Gap, LogMark, UsageView
from munjigi.review.usage import VALIDITY


class Lost(NamedTuple):
    """What people said of logs that are lost, and the logs of workers that have a lease now: those are alive, whatever was said."""

    closings: tuple[LogClosing, ...] = ()
    alive: AbstractSet[str] = frozenset()

    def excused(self, marks: Sequence[LogMark]) -> frozenset[str]:
        """Return the logs that nobody waits for: closed, and not come back since (as one that is alive, or counted beyond)."""
        counted = {mark.log_id: mark.complete_to for mark in marks}
        closed = (each for each in self.closings if counted.get(each.log_id, 0) < each.closed_at)
        return frozenset(each.log_id for each in closed) - self.alive

    def over(self, marks: Sequence[LogMark], since: int) -> frozenset[str]:
        """Return those of these logs that were closed before `since` (UTC nanoseconds): no record of afterwards is in them."""
        return self.excused(marks).intersection(each.log_id for each in self.closings if each.closed_at <= since)

    def gaps(self) -> tuple[Gap, ...]:
        """Return the times of which it is said that nobody knows what was used; for good, even where a log comes back."""
        closed = [each for each in self.closings if each.closed_at]
        return tuple(Gap(each.log_id, 0, -1, each.unknown_from, each.closed_at) for each in closed)

    def until(self) -> int:
        """Return the end of the last of these times (UTC nanoseconds); 0: there is none."""
        return max((each.closed_at for each in self.closings), default=0)


NOTHING_LOST: Final = Lost()


class Coverage(NamedTuple):
    """When use is known: from `begins_at` on, when the first record was written, but for `gaps`. UTC nanoseconds.

    Of the gaps that were said to be so (`lost`) it is known that nobody will ever fill them: plans are made in spite of them, and
    leave alone what reaches into them.
    """

    begins_at: int
    gaps: tuple[Gap, ...]
    lost: tuple[Gap, ...] = ()

    def from_when(self, cutoff: int) -> int:
        """Return since when, up to `cutoff`, nothing is missing."""
        return max([self.begins_at, *(gap.ends_at for gap in (*self.gaps, *self.lost) if gap.begins_at < cutoff)])


def newest_cutoff(usage: UsageView, logs: Iterable[str] = (), lost: Lost = NOTHING_LOST) -> int:
    """Return the newest cutoff for which every read that was confirmed is counted (UTC nanoseconds); 0 before anything is."""
    marks = {mark.log_id: mark for mark in usage.marks()}
    excused = lost.excused(tuple(marks.values()))
    open_marks = [mark for mark in marks.values() if not mark.closed and mark.log_id not in excused]
    if not marks or any(each not in marks for each in set(logs) - excused):
        return 0
    return min((mark.complete_to for mark in open_marks), default=max(mark.complete_to for mark in marks.values())) - VALIDITY


def counted_to(usage: UsageView, logs: Iterable[str] = (), lost: Lost = NOTHING_LOST) -> int:
    """Return up to when all records are counted, of every log (UTC nanoseconds); 0 where one of `logs` never was."""
    marks = {mark.log_id: mark for mark in usage.marks()}
    excused = lost.excused(tuple(marks.values()))
    if any(each not in marks for each in set(logs) - excused):
        return 0
    known = [mark.complete_to for mark in marks.values() if not mark.closed and mark.log_id not in excused]
    return min(known, default=max((mark.complete_to for mark in marks.values()), default=0))


def covered(
    marks: Sequence[LogMark], gaps: tuple[Gap, ...], logs: Iterable[str], cutoff: int, now: int, lost: Lost = NOTHING_LOST
) -> Coverage:
    """Return when use is known.

    `logs` are those that there should be use of, `lost` those that nobody waits for any more. Raises `FailedPrecondition` `USAGE_GAP`,
    naming the log, when one of the others is not counted up to `cutoff`, a minute beyond which a read of before may be confirmed.
    """
    excused = lost.excused(marks)
    known = excused.union(mark.log_id for mark in marks)
    for log_id in sorted(set(logs) - known):
        raise usage_gap(f"log {log_id} was never counted")
    for mark in sorted(marks, key=lambda each: each.complete_to):
        if not mark.closed and mark.log_id not in excused and mark.complete_to < cutoff + VALIDITY:
            raise usage_gap(
                f"log {mark.log_id} is counted up to {to_rfc3339(mark.complete_to)} (record {mark.next_index}), and the cutoff"
                f" is {to_rfc3339(cutoff)}"
            )
    begins = [mark.begins_at for mark in marks if mark.begins_at] + [gap.ends_at for gap in gaps]
    return Coverage(min(begins, default=now), gaps, lost.gaps())


def require(coverage: Coverage, since: int, cutoff: int) -> None:
    """Refuse a plan whose every grant would be judged over a gap in [since, cutoff). Raises `FailedPrecondition` `USAGE_GAP`."""
    for gap in coverage.gaps:
        if gap.ends_at > since and gap.begins_at < cutoff:
            lacking = f"[{gap.first_index}, {gap.next_index})" if gap.next_index >= 0 else f"from {gap.first_index} on"
            raise usage_gap(
                f"records {lacking} of log {gap.log_id}, written up to {to_rfc3339(gap.ends_at)}, were never counted, and use is"
                f" judged from {to_rfc3339(since)} on"
            )


def usage_gap(what: str) -> FailedPrecondition:
    """Make the refusal: what is missing, and what to do."""
    return FailedPrecondition(
        "USAGE_GAP",
        f"Use is not known well enough, so nothing is planned: {what}. Look whether the follower of every host runs "
        "(`munjigi doctor`), or take an earlier or later cutoff. A log that is lost for good two people can close: `munjigi review close-log`.",
    )
