"""From the journal to seal, index and Elasticsearch: whether the trail is whole, and how far each part is behind."""

from __future__ import annotations

from typing import Final

from panel import NO_RECORD, Counted, Dashboard, Panel, Query, asked, or_none, or_zero
from shared import LOST_LOG_WAITS

_STATE: Final = f"{NO_RECORD} `munjigi doctor` looks at it."
_NOW: Final = (
    Panel(
        "Newest checkpoint",
        "Age of the newest signed checkpoint over all logs. `munjigi audit verify` checks the logs against it.",
        "number",
        "s",
        asked("max(time() - munjigi_seal_checkpoint_timestamp_seconds{$at})", "age"),
        width=4,
        height=4,
        worry=120,
    ),
    Panel(
        "Waits for Elasticsearch",
        "Records that are not shipped yet. They are safe in the journal; `munjigi audit search` may not find them yet.",
        "number",
        "short",
        asked(or_zero("sum(munjigi_ship_backlog_records{$at})"), "records"),
        width=3,
        height=4,
        worry=100_000,
    ),
    Panel(
        "Dead letters",
        "Records that Elasticsearch refused for good. `munjigi audit reconcile` names and resends them.",
        "number",
        "short",
        asked(or_zero("sum(munjigi_ship_dead_letters{$at})"), "records"),
        width=3,
        height=4,
        quiet="Elasticsearch refused nothing",
        worry=1,
    ),
    Panel(
        "Jobs that fail",
        "Jobs of the follower that fail now, so that their work piles up. `munjigi doctor` says why.",
        "number",
        "short",
        asked(or_zero("sum(munjigi_follower_job_failing{$at})"), "jobs"),
        width=3,
        height=4,
        quiet="no job fails",
        worry=1,
    ),
    Panel(
        "Held against the logs",
        "Time since `munjigi audit reconcile` last compared Elasticsearch with the logs. Once a day is a good habit.",
        "number",
        "s",
        asked(or_zero("min(time() - (munjigi_reconcile_timestamp_seconds{$at} > 0))"), "ago"),
        width=4,
        height=4,
        worry=172_800,
    ),
    LOST_LOG_WAITS,
    Panel(
        "Disk in use",
        "Share of the state folder's disk. At 95 % nobody gets access any more. `munjigi doctor` says how much is left.",
        "number",
        "percentunit",
        asked("max(munjigi_disk_used_ratio{$at})", "used"),
        width=3,
        height=4,
        worry=0.7,
    ),
)
_WRITTEN: Final = (
    Panel(
        "Records made durable",
        "Records a second that the journals took.",
        "areas",
        "cps",
        asked("sum by (instance) (rate(munjigi_journal_records_total{$at}[$__rate_interval]))", "{{instance}}"),
        width=8,
        records="*",
        search="--since 1h",
    ),
    Panel(
        "Time of a sync",
        f"One synced write of a journal, on average. Every answer waits for one. {_STATE}",
        "lines",
        "s",
        asked(
            "sum by (instance) (rate(munjigi_journal_sync_seconds_total{$at}[$__rate_interval])) "
            "/ sum by (instance) (rate(munjigi_journal_commits_total{$at}[$__rate_interval]))",
            "{{instance}}",
        ),
        width=8,
    ),
    Panel(
        "Bytes written",
        f"Bytes a second that the journals grow by. Closed segments shrink to a sixth when they are packed. {_STATE}",
        "areas",
        "Bps",
        asked("sum by (instance) (rate(munjigi_journal_bytes_total{$at}[$__rate_interval]))", "{{instance}}"),
        width=8,
    ),
)
_BEHIND: Final = (
    Panel(
        "Age of the newest checkpoint",
        "Once a second while there are records. `munjigi audit verify` checks the logs against it.",
        "lines",
        "s",
        asked("time() - munjigi_seal_checkpoint_timestamp_seconds{$at}", "{{instance}}"),
        width=8,
    ),
    Panel(
        "Lag of shipping",
        "How long the oldest record has waited for Elasticsearch, by family of logs. docs/alerts.md: ShippingBehind; "
        "`munjigi doctor` asks the cluster.",
        "lines",
        "s",
        asked(
            or_none("max by (family) (time() - (munjigi_ship_pending_since_timestamp_seconds{$at} > 0))", "family"), "{{family}}"
        ),
        width=8,
        quiet="no record waits",
    ),
    Panel(
        "Shipped, by answer",
        "Records a second that Elasticsearch answered for: `stored`, `already` there, or `dead`.",
        "areas",
        "cps",
        asked("sum by (result) (rate(munjigi_ship_records_total{$at}[$__rate_interval]))", "{{result}}"),
        width=8,
        records="*",
        search="--since 1h",
    ),
    Panel(
        "Sent again",
        f"Records a second that were sent again after a failure that can pass. {_STATE}",
        "areas",
        "cps",
        asked(or_zero("sum(rate(munjigi_ship_retries_total{$at}[$__rate_interval]))"), "records"),
        width=8,
        quiet="Elasticsearch takes everything at once",
    ),
    Panel(
        "Failed steps of jobs",
        f"In each interval, by job of the follower; each step is tried again. {_STATE}",
        "areas",
        "short",
        asked(
            or_none(
                "sum by (follower_job) (increase(munjigi_follower_job_failures_total{$at}[$__rate_interval]))", "follower_job"
            ),
            "{{follower_job}}",
        ),
        width=8,
        quiet="no step failed",
    ),
    Panel(
        "Findings of reconcile",
        "What the last `munjigi audit reconcile` found: missing, altered, invented documents.",
        "lines",
        "short",
        asked(or_none("sum by (kind) (munjigi_reconcile_findings{$at})", "kind"), "{{kind}}"),
        width=8,
        quiet="the last run found nothing, or there was none",
    ),
)
_KEPT: Final = (
    Panel(
        "Witnesses",
        "Time since each witness last co-signed a checkpoint. `munjigi audit verify` shows them.",
        "lines",
        "s",
        asked(or_none("max by (witness) (time() - munjigi_witness_timestamp_seconds{$at})", "witness"), "{{witness}}"),
        width=8,
        quiet="no witness is configured",
    ),
    Panel(
        "Segments that wait for the archive",
        f"Closed segments of the journals that are on their own machine only. {_STATE}",
        "lines",
        "short",
        asked(or_zero("sum(munjigi_archive_waiting_segments{$at})"), "segments"),
        width=8,
        quiet="no archive is configured, or nothing waits",
    ),
    Panel(
        "Legal holds, and retention that fails",
        "Holds that stand (`munjigi audit holds`), and 1 for each host on which something stands in the way of removing records.",
        "steps",
        "short",
        (
            Query("max(munjigi_legal_holds{$at})", "holds"),
            Query(or_zero("sum(munjigi_retention_failing{$at})"), "failing"),
        ),
        width=8,
        records="event.action:retention.*",
        search="--event-type retention.hold",
    ),
    Panel(
        "Letters that wait",
        "Notices to people that are not delivered yet, by channel. `munjigi notices list` shows them.",
        "lines",
        "short",
        asked(or_none("sum by (channel) (munjigi_notices_waiting{$at})", "channel"), "{{channel}}"),
        width=12,
        quiet="no channel is configured, or nothing waits",
    ),
    Panel(
        "Documents by kind",
        "What arrived in Elasticsearch in each interval, by family of records: to be held against what was shipped.",
        "areas",
        "short",
        Counted("*", ("event.dataset", "@timestamp")),
        width=12,
        search="--since 1h",
    ),
)

PIPELINE: Final = Dashboard(
    "munjigi-pipeline",
    "Munjigi · audit pipeline",
    "For operators and auditors: whether every record is written, sealed, shipped and kept, and how far each part is behind.",
    (("Now", _NOW), ("Written", _WRITTEN), ("Sealed and shipped", _BEHIND), ("Kept and told", _KEPT)),
)
