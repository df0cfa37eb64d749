"""Records on this host: journal, packing, retention, archive, disk."""

from __future__ import annotations

from typing import Final

from munjigi.monitoring.metric import Metric

JOURNAL_RECORDS: Final = Metric("munjigi_journal_records_total", "counter", "Records made durable in the journal.")
JOURNAL_BYTES: Final = Metric("munjigi_journal_bytes_total", "counter", "Bytes made durable in the journal.")
JOURNAL_NEXT: Final = Metric(
    "munjigi_journal_next_index",
    "gauge",
    "Index after the last durable record of the journal, added up over the workers.",
    across="livesum",
)
JOURNAL_COMMITS: Final = Metric(
    "munjigi_journal_commits_total", "counter", "Group commits (one synced write each) by where they run.", ("mode",)
)
JOURNAL_SYNC_SECONDS: Final = Metric("munjigi_journal_sync_seconds_total", "counter", "Time spent in synced writes.")
JOURNAL_PACKED: Final = Metric(
    "munjigi_journal_packed_segments_total", "counter", "Closed segments of the journal that were packed."
)
RETENTION_REMOVED: Final = Metric(
    "munjigi_retention_removed_segments_total",
    "counter",
    "Segments of the journal that were removed at the end of their retention.",
)
RETENTION_FAILING: Final = Metric(
    "munjigi_retention_failing",
    "gauge",
    "1 while something stands in the way of removing records; the log says what.",
    across="livemax",
)
HOLDS: Final = Metric("munjigi_legal_holds", "gauge", "Legal holds that stand.")
ARCHIVED: Final = Metric("munjigi_archived_segments_total", "counter", "Closed segments that were copied to the archive.")
ARCHIVE_WAITING: Final = Metric(
    "munjigi_archive_waiting_segments", "gauge", "Closed segments that are not in the archive yet, packed or not."
)
DISK_USED: Final = Metric("munjigi_disk_used_ratio", "gauge", "Share of the state folder's disk that is in use.")
DISK_LEVEL: Final = Metric(
    "munjigi_disk_level", "gauge", "0 roomy, 1 worth a look, 2 degraded, 3 full: no access is given until there is room."
)
