"""Records beyond the journal: search index, Elasticsearch, seal, witnesses."""

from __future__ import annotations

from typing import Final

from munjigi.monitoring.metric import Metric

INDEX_RECORDS: Final = Metric("munjigi_index_records_total", "counter", "Records moved from journals into the audit index.")
INDEX_NEXT: Final = Metric("munjigi_index_next_index", "gauge", "Index after the last record that the audit index has.")
USAGE_RECORDS: Final = Metric(
    "munjigi_usage_records_total", "counter", "Records of journals that were counted for the use of rights."
)
USAGE_COMPLETE: Final = Metric(
    "munjigi_usage_complete_timestamp_seconds",
    "gauge",
    "Up to when the use of rights is counted in every journal of this host; a review judges nothing that is newer.",
)
SHIP_RECORDS: Final = Metric(
    "munjigi_ship_records_total",
    "counter",
    "Records that Elasticsearch answered for: `stored`, `already` there, or `dead`, a letter that it will never take; and those "
    "that shipping passed by, since their index is past its retention: `expired`.",
    ("result",),
)
SHIP_RETRIES: Final = Metric(
    "munjigi_ship_retries_total", "counter", "Records sent to Elasticsearch again after a failure that can pass."
)
SHIP_NEXT: Final = Metric(
    "munjigi_ship_next_index",
    "gauge",
    "Index after the last record that was shipped to Elasticsearch, added up over the logs of a family (`journal`, `permission`).",
    ("family",),
)
SHIP_BACKLOG: Final = Metric(
    "munjigi_ship_backlog_records", "gauge", "Records that wait to be shipped to Elasticsearch, by family of logs.", ("family",)
)
SHIP_PENDING_SINCE: Final = Metric(
    "munjigi_ship_pending_since_timestamp_seconds",
    "gauge",
    "Time of the oldest record that waits to be shipped, by family of logs; 0 when none does. `time()` less this is the lag.",
    ("family",),
)
SHIP_DEAD_LETTERS: Final = Metric(
    "munjigi_ship_dead_letters",
    "gauge",
    "Records that Elasticsearch refused for good, by family of logs; `munjigi audit reconcile` names and resends them.",
    ("family",),
)
SHIP_REQUEST_BYTES: Final = Metric(
    "munjigi_ship_request_bytes",
    "gauge",
    "Most that one bulk request may hold at present; halved when it was too large or too slow.",
)
SEAL_CHECKPOINTS: Final = Metric("munjigi_seal_checkpoints_total", "counter", "Checkpoints signed.")
SEAL_TIME: Final = Metric("munjigi_seal_checkpoint_timestamp_seconds", "gauge", "When the last checkpoint was signed.")
SEAL_RECORDS: Final = Metric("munjigi_seal_records", "gauge", "Records under the last signed checkpoint, over all logs.")
WITNESS_TIME: Final = Metric(
    "munjigi_witness_timestamp_seconds", "gauge", "When a witness last co-signed a checkpoint.", ("witness",)
)
WITNESS_FAILURES: Final = Metric(
    "munjigi_witness_failures_total", "counter", "Checkpoints that a witness did not co-sign, by reason.", ("witness", "reason")
)
RECONCILE_TIME: Final = Metric(
    "munjigi_reconcile_timestamp_seconds", "gauge", "When Elasticsearch was last held against the logs; 0 when it never was."
)
RECONCILE_FINDINGS: Final = Metric(
    "munjigi_reconcile_findings",
    "gauge",
    "What the last `munjigi audit reconcile` found: documents that were `missing`, and sent again, `altered` or `invented`.",
    ("kind",),
)
