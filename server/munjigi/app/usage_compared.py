"""Counted use held against the use that Elasticsearch's documents give, up to the same record of each log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Final, NamedTuple

from munjigi.adapters.elasticsearch.blocking import BlockingCluster
from munjigi.adapters.elasticsearch.expiry import expired
from munjigi.adapters.elasticsearch.progress import Progress
from munjigi.adapters.elasticsearch.reconciled import Reconciled, noted
from munjigi.adapters.elasticsearch.usage import Block, Part, UsageThere, first_since
from munjigi.adapters.elasticsearch.view import View
from munjigi.adapters.usage.compared import Held, compare
from munjigi.adapters.usage.rows import added
from munjigi.app.cluster import access_of, naming_of
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.app.usage import read_usage
from munjigi.app.usage_counter import ExemptTools
from munjigi.audit.reader import list_logs
from munjigi.kernel.clock import Clock, to_rfc3339
from munjigi.review.days import Days
from munjigi.review.ports import Gap, LogMark

PATIENCE: Final = 10.0  # seconds for the follower to ship what is counted, and for the cluster to find it
_PAUSE: Final = 0.5
_TIMEOUT: Final = 120.0  # seconds of one request: an answer has up to 20,000 buckets


class Compared(NamedTuple):
    """What was found. Of each log the records below `next_index` were looked at, by `parts`; `blocks` have not one document a record.

    `behind` are logs whose newest records are still to be shipped: then nothing was compared. What was used before `since` (UTC nanoseconds;
    0: all is there) is known to Elasticsearch in part. `reconciled` is what was found when the documents themselves were last held
    against the logs.
    """

    marks: tuple[LogMark, ...]
    parts: tuple[Part, ...]
    behind: tuple[str, ...]
    blocks: tuple[Block, ...]
    held: Held
    since: int
    reconciled: Reconciled

    @property
    def records(self) -> int:
        """How many records were looked at."""
        return sum(end - begin for part in self.parts for begin, end in part.ranges)

    @property
    def equal(self) -> bool:
        """Tell whether both ways gave the same, over all records."""
        return not (self.behind or self.blocks or self.held.differences)


def compare_usage(settings: Settings, clock: Clock) -> Compared:
    """Count the use anew out of the cluster that the settings name, and compare.

    Raises `Unavailable` where the use or the cluster can't be read, `ConfigurationError` for settings that can't work.
    """
    folder = StateFolder(settings.state_dir)
    cluster = BlockingCluster(replace(access_of(settings, "reader"), timeout=_TIMEOUT))
    with closing(cluster), closing(read_usage(folder)) as store:
        since, until = expired(folder.shipping).until(clock.now()), time.monotonic() + PATIENCE
        moment = store.moment()
        while True:
            with View(cluster, naming_of(settings).pattern) as view:
                parts = tuple(_part(view, mark, moment.gaps, since) for mark in moment.marks)
                there = UsageThere(view, parts, ExemptTools(folder), store.days, moment.unsettled)
                blocks = there.wrong_blocks()
                if not blocks or time.monotonic() >= until:
                    behind = _behind(folder, moment.marks, blocks)
                    found: Mapping[str, tuple[bytes, bytes]] = {} if behind else added_up(there, store.days)
                    break
            time.sleep(_PAUSE)
        since_day = store.days.of(since) + 1 if since else 0
        held = compare({} if behind else moment.grants, found, since, since_day)
        return Compared(moment.marks, parts, behind, tuple(blocks), held, since, noted(folder.shipping))


def _part(view: View, mark: LogMark, gaps: Iterable[Gap], since: int) -> Part:
    """Return which records of a log are counted here, and are to be there."""
    begin = 0
    if since:
        first = first_since(view, mark.log_id, to_rfc3339(since))
        begin = first if first is not None else mark.next_index if mark.time < since else 0
    ranges = []
    for gap in sorted(gap for gap in gaps if gap.log_id == mark.log_id):
        ranges.append((begin, gap.first_index))
        begin = max(begin, gap.next_index)
    ranges.append((begin, mark.next_index))
    return Part(mark.log_id, tuple((first, after) for first, after in ranges if first < after))


def _behind(folder: StateFolder, marks: Iterable[LogMark], blocks: Iterable[Block]) -> tuple[str, ...]:
    """Return the logs of this host whose last documents can't be there yet."""
    here, counted = frozenset(list_logs(folder.journal)), {mark.log_id: mark.next_index for mark in marks}
    found = set()
    for each in blocks:
        if each.log_id in here and each.documents < each.records:
            shipped = Progress(folder.shipping, each.log_id).cursor().next_index
            if shipped < min(each.next_index, counted[each.log_id]):
                found.add(each.log_id)
    return tuple(sorted(found))


def added_up(there: UsageThere, days: Days) -> dict[str, tuple[bytes, bytes]]:
    """Add up what was used, in the bytes in which counted use is kept."""
    found: dict[str, tuple[bytes, bytes]] = {}
    for counts in there.count():
        for grant_id, by_permission in counts.items():
            _, used, sketches = added(*found.get(grant_id, (b"", b"")), by_permission, days)
            found[grant_id] = (used, sketches)
    return found
