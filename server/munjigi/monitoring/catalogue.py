"""Every metric that Munjigi exports: name, kind, help, labels. Registration and reference come from here.

Labels are bounded by code, policy or configuration: never an employee, a member, an address or SQL.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

BUCKETS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metric(NamedTuple):
    """One metric. Counters end in `_total`, times are in seconds, sizes in bytes.

    `across` says what a gauge is over several workers: what was said last, or of those that live the sum, least or most.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    across: Literal["mostrecent", "livesum", "livemin", "livemax"] = "mostrecent"


DECISIONS: Final = Metric(
    "munjigi_decisions_total", "counter", "Decisions by verdict, reason and door.", ("verdict", "reason", "door")
)
DECISIONS_BY_TOOL: Final = Metric(
    "munjigi_tool_decisions_total", "counter", "Decisions by verdict and registered tool.", ("verdict", "tool")
)
CALLS: Final = Metric("munjigi_calls_total", "counter", "Calls by method and result reason.", ("method", "reason"))
CALL_SECONDS: Final = Metric(
    "munjigi_call_seconds", "histogram", "Time from a call's arrival to its answer being made, before the sync.", ("method",)
)
DENIALS_COUNTED: Final = Metric(
    "munjigi_denials_counted_total",
    "counter",
    "Denials of a flood, which share a record; `munjigi_decisions_total` has them, too.",
    ("tool", "reason"),
)
SIGN_IN_FAILURES: Final = Metric("munjigi_sign_in_failures_total", "counter", "Refused credentials by reason.", ("reason",))
LOCKOUTS: Final = Metric(
    "munjigi_lockouts_total",
    "counter",
    "Doors locked for a while after repeated refusals, by the reason of the last one; a door that goes on is locked again, for longer.",
    ("reason",),
)
KEY_SET_PROBLEM: Final = Metric(
    "munjigi_key_set_problem",
    "gauge",
    "1 while the key set of employees' tokens can't be renewed; the keys known so far hold.",
    across="livemax",
)
JOURNAL_RECORDS: Final = Metric("munjigi_journal_records_total", "counter", "Records made durable in the journal.")
JOURNAL_BYTES: Final = Metric("munjigi_journal_bytes_total", "counter", "Bytes made durable in the journal.")
JOURNAL_NEXT: Final = Metric(
    "munjigi_journal_next_index",
    "gauge",
    "Index after the last durable record of the journal, added up over the workers.",
    across="livesum",
)
JOURNAL_COMMITS: Final = Metric(
    "munjigi_journal_commits_total", "counter", "Group commits (one fdatasync each) by where they run.", ("mode",)
)
JOURNAL_SYNC_SECONDS: Final = Metric("munjigi_journal_sync_seconds_total", "counter", "Time spent in write and fdatasync.")
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
POLICY_LOADS: Final = Metric("munjigi_policy_loads_total", "counter", "Attempts to load the policy home by result.", ("result",))
POLICY_LOADED: Final = Metric("munjigi_policy_loaded_timestamp_seconds", "gauge", "When the policy in force was loaded.")
POLICY_REJECTED: Final = Metric(
    "munjigi_policy_rejected",
    "gauge",
    "1 while the policy home on disk is refused and an older policy decides.",
    across="livemax",
)
GRANT_REVISION: Final = Metric(
    "munjigi_grant_revision", "gauge", "Revision of the grant table in force; of several workers, the oldest.", across="livemin"
)
LEASE_LAPSES: Final = Metric(
    "munjigi_lease_lapses_total",
    "counter",
    "Times that a worker's lease ran out, because the state store was away or the worker held up: it then answers UNAVAILABLE.",
)
WORKERS: Final = Metric("munjigi_workers", "gauge", "Gateway workers that there should be.")
BLOCKED: Final = Metric("munjigi_blocked_principals", "gauge", "People and tools that the control center has stopped.")
WORKER_READY: Final = Metric("munjigi_worker_ready", "gauge", "Gateway workers that serve.", across="livesum")
INDEX_RECORDS: Final = Metric("munjigi_index_records_total", "counter", "Records moved from journals into the audit index.")
INDEX_NEXT: Final = Metric("munjigi_index_next_index", "gauge", "Index after the last record that the audit index has.")
SHIP_RECORDS: Final = Metric(
    "munjigi_ship_records_total",
    "counter",
    "Records that Elasticsearch answered for: `stored`, `already` there, or `dead`, a letter that it will never take.",
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
FOLLOWER_HEARTBEAT: Final = Metric(
    "munjigi_follower_heartbeat_timestamp_seconds", "gauge", "When the follower last looked at the journals."
)
FOLLOWER_JOB_FAILURES: Final = Metric(
    "munjigi_follower_job_failures_total", "counter", "Failed steps of the follower's jobs; each is tried again.", ("job",)
)
FOLLOWER_JOB_FAILING: Final = Metric(
    "munjigi_follower_job_failing", "gauge", "1 while a job of the follower fails, so that its work piles up.", ("job",)
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
NOTICES_MADE: Final = Metric(
    "munjigi_notices_made_total", "counter", "Notices that were made, by what they are about and severity.", ("kind", "severity")
)
NOTICES_TRIED: Final = Metric(
    "munjigi_notices_tried_total",
    "counter",
    "Letters that were tried, by channel (`webhook`, `mail`) and result: `sent`, `later`, `never`, or `away`, the receiver takes nothing.",
    ("channel", "result"),
)
NOTICES_WAITING: Final = Metric(
    "munjigi_notices_waiting", "gauge", "Letters that wait to be delivered, by channel.", ("channel",)
)
NOTICES_WAITING_SINCE: Final = Metric(
    "munjigi_notices_waiting_since_timestamp_seconds",
    "gauge",
    "Since when the oldest letter of a channel waits; 0 when none does.",
    ("channel",),
)
NOTICES_GIVEN_UP: Final = Metric(
    "munjigi_notices_given_up",
    "gauge",
    "Letters that were given up and put aside, by channel: `munjigi notices list`.",
    ("channel",),
)

CATALOGUE: Final = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
