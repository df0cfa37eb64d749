"""What a run of a review looks at beside the book: use, as far as it is counted, and who was denied what was taken from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Final

from munjigi.adapters.usage.store import SqlUsageStore
from munjigi.app.files import StateFolder
from munjigi.app.usage import expected_logs, lost_logs, read_usage
from munjigi.audit.ports import RecordQuery, RecordSearch
from munjigi.audit.records import AccessRecord, decode
from munjigi.decision.snapshot import Snapshot
from munjigi.kernel.errors import Unavailable
from munjigi.kernel.review import Permission, ReviewItem
from munjigi.review.apply import Watch
from munjigi.review.closing import LogSeen
from munjigi.review.coverage import counted_to
from munjigi.review.missed import missed

_PAGE: Final = 200  # denials of one holder that are looked at, the newest first


class ReviewWatching:
    """Implements `rpc.ports.ReviewWatch` over a state folder. Any thread may ask."""

    def __init__(self, folder: StateFolder, index: RecordSearch, clock: Callable[[], int]) -> None:
        self._folder = folder
        self._index = index
        self._clock = clock
        self._usage: SqlUsageStore | None = None
        self._lock = Lock()

    def watch(self, snapshot: Snapshot) -> Watch:
        """Return what a run looks at. Raises `Unavailable` before the follower has counted anything."""
        usage = self._opened()
        lost = lost_logs(self._folder)
        known = counted_to(usage, expected_logs(self._folder), lost)

        def used_since(grant_ids: Sequence[str], since: int) -> Mapping[str, Iterable[Permission]]:
            found = usage.of(grant_ids)
            return {each: [use.permission for use in uses if use.last_at >= since] for each, uses in found.items()}

        return Watch(used_since, known, lambda items: self._denied(items, snapshot), lost.until())

    def seen(self, log_id: str) -> LogSeen:
        """Return what is known of a log. Raises `Unavailable` before the follower has counted anything."""
        mark = self._opened().mark(log_id)
        known = mark is not None or log_id in expected_logs(self._folder)
        return LogSeen(known, log_id in lost_logs(self._folder).alive, mark.complete_to if mark is not None else 0)

    def closable(self, log_id: str, now: int) -> bool:
        """Tell whether people may close a log now (UTC nanoseconds). Nobody may before the follower has counted anything."""
        try:
            return self.seen(log_id).closable(now)
        except Unavailable:
            return False

    def close(self) -> None:
        """Let go of the counts. A second call does nothing."""
        with self._lock:
            usage, self._usage = self._usage, None
        if usage is not None:
            usage.close()

    def _opened(self) -> SqlUsageStore:
        with self._lock:
            if self._usage is None:
                self._usage = read_usage(self._folder)
            return self._usage

    def _denied(self, items: Sequence[ReviewItem], snapshot: Snapshot) -> int:
        """Count the people who asked for what an item took from them, and were denied for want of it."""
        people: set[str] = set()
        for item in items:
            if item.before is not None and item.person_id not in people and self._missed(item, snapshot):
                people.add(item.person_id)
        return len(people)

    def _missed(self, item: ReviewItem, snapshot: Snapshot) -> bool:
        before = item.before
        assert before is not None  # of an item that was applied
        until = max(self._clock(), item.applied_at + 1)
        query = RecordQuery(
            employee=before.employee.subject,
            event_type="access.decision",
            decision="DENY",
            from_time=item.applied_at,
            to_time=until,
        )
        page = ""
        while True:
            found = self._index.search(query, _PAGE, page)
            for each in found.records:
                record = decode(each.payload)
                if (
                    isinstance(record, AccessRecord)
                    and record.issuer == before.employee.issuer
                    and missed(record, snapshot, before)
                ):
                    return True
            page = found.next_page_token
            if not page:
                return False
