"""A world in which all is well, by the minute, and for each alert what happens to it: the trouble, and what only looks like it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

DAY = 86_400


class Gauge(NamedTuple):
    """Stays at a value."""

    value: float

    def next(self, minute: int, before: float) -> float:
        return self.value


class Counter(NamedTuple):
    """Grows by so much a minute."""

    by: float

    def next(self, minute: int, before: float) -> float:
        return before + self.by


class Still(NamedTuple):
    """Is a counter that came to a value and does not grow."""

    value: float

    def next(self, minute: int, before: float) -> float:
        return before or self.value


class Moment(NamedTuple):
    """The time of something that is renewed, so many seconds ago."""

    ago: float = 0

    def next(self, minute: int, before: float) -> float:
        return minute * 60 - self.ago


class Steps(NamedTuple):
    """Is another number every so many minutes."""

    every: int

    def next(self, minute: int, before: float) -> float:
        return float(minute // self.every)


STUCK = Still(0)
GONE = None  # no such series
Series = Mapping[str, Gauge | Counter | Still | Moment | Steps | None]

# `%s` is where the scrape's own labels stand.
HEALTHY: Series = {
    "up{%s}": Gauge(1),
    "scrape_duration_seconds{%s}": Gauge(0.05),
    "scrape_samples_scraped{%s}": Gauge(900),
    "munjigi_worker_ready{%s}": Gauge(1),
    "munjigi_workers{%s}": Gauge(1),
    "munjigi_lease_lapses_total{%s}": Still(2),
    "munjigi_disk_level{%s}": Gauge(0),
    "munjigi_policy_rejected{%s}": Gauge(0),
    "munjigi_policy_revision_number{%s}": Gauge(1),
    "munjigi_retention_failing{%s}": Gauge(0),
    "munjigi_key_set_problem{%s}": Gauge(0),
    'munjigi_follower_job_failing{%s,follower_job="ship"}': Gauge(0),
    "munjigi_follower_heartbeat_timestamp_seconds{%s}": Moment(),
    "munjigi_policy_loaded_timestamp_seconds{%s}": Gauge(0),
    "munjigi_journal_records_total{%s}": Counter(600),
    "munjigi_index_records_total{%s}": Counter(600),
    'munjigi_journal_commits_total{%s,mode="thread"}': Counter(60),
    "munjigi_journal_sync_seconds_total{%s}": Counter(0.1),
    "munjigi_seal_checkpoint_timestamp_seconds{%s}": Moment(),
    'munjigi_witness_timestamp_seconds{%s,witness="w"}': Moment(),
    'munjigi_witness_failures_total{%s,witness="w",reason="WITNESS_AWAY"}': Still(1),
    'munjigi_witness_failures_total{%s,witness="w",reason="WITNESS_DIFFERS"}': Still(0),
    'munjigi_ship_pending_since_timestamp_seconds{%s,family="journal"}': Gauge(0),
    'munjigi_ship_backlog_records{%s,family="journal"}': Gauge(0),
    'munjigi_ship_dead_letters{%s,family="journal"}': Gauge(0),
    'munjigi_ship_records_total{%s,result="stored"}': Counter(600),
    'munjigi_notices_waiting_since_timestamp_seconds{%s,channel="mail"}': Gauge(0),
    'munjigi_notices_given_up{%s,channel="mail"}': Gauge(0),
    "munjigi_ship_retries_total{%s}": Still(0),
    'munjigi_calls_total{%s,method="Check",reason="OK"}': Counter(600),
    'munjigi_calls_total{%s,method="Check",reason="INTERNAL"}': Still(3),
    'munjigi_calls_total{%s,method="Check",reason="AUDIT_UNAVAILABLE"}': Still(0),
    'munjigi_answers_withheld_total{%s,reason="AUDIT_UNAVAILABLE"}': Still(3),
    'munjigi_answers_withheld_total{%s,reason="STATE_UNREACHABLE"}': Still(3),
    'munjigi_calls_total{%s,method="SearchRecords",reason="DOCUMENT_ALTERED"}': Still(0),
    'munjigi_call_seconds_count{%s,method="Check"}': Counter(600),
    'munjigi_call_seconds_bucket{%s,method="Check",le="0.001"}': Counter(590),
    'munjigi_call_seconds_bucket{%s,method="Check",le="0.01"}': Counter(600),
    'munjigi_call_seconds_bucket{%s,method="Check",le="+Inf"}': Counter(600),
    'munjigi_sign_in_failures_total{%s,reason="TOKEN_EXPIRED"}': Counter(1),
    'munjigi_lockouts_total{%s,reason="TOKEN_SIGNATURE"}': Still(3),
    'munjigi_denials_counted_total{%s,tool="crm-desk",reason="NO_GRANT"}': Still(3),
    "munjigi_archive_waiting_segments{%s}": Gauge(1),
    'munjigi_tool_decisions_total{%s,tool="crm-desk",verdict="allow"}': Counter(600),
    'munjigi_tool_decisions_total{%s,tool="crm-desk",verdict="deny"}': Counter(60),
    'munjigi_grants{%s,state="active"}': Gauge(1_000),
    'munjigi_grants_ending{%s,within="7d"}': Gauge(20),
    "munjigi_access_request_oldest_timestamp_seconds{%s}": Gauge(0),
    "munjigi_break_glass_active{%s}": Gauge(0),
    "munjigi_break_glass_reviews_overdue{%s}": Gauge(0),
    'munjigi_review_overdue{%s,kind="unused"}': Gauge(0),
    'munjigi_review_undecided_since_timestamp_seconds{%s,kind="unused"}': Gauge(0),
    "munjigi_review_log_closing_since_timestamp_seconds{%s}": Gauge(0),
    'munjigi_review_stopped_by_spike{%s,kind="unused"}': Gauge(0),
    "munjigi_review_taken{%s}": Gauge(400),
    "munjigi_review_restored{%s}": Gauge(2),
    "munjigi_reconcile_timestamp_seconds{%s}": Gauge(0),
    'munjigi_reconcile_findings{%s,kind="missing"}': Gauge(0),
    'munjigi_reconcile_findings{%s,kind="altered"}': Gauge(0),
    'munjigi_loop_stall_seconds{%s,process="worker-0"}': Gauge(0.02),
    'munjigi_process_start_timestamp_seconds{%s,process="worker-0"}': Gauge(1),
}


class Case(NamedTuple):
    """What happens: `trouble` sets in after `calm` minutes, `lasts`, and `after` it all is as before.

    `near` is what looks like it and is no reason for the alert; where it is left out, the trouble itself is over a minute
    before the alert has waited. `also`: other alerts that the same trouble rightly raises.
    """

    trouble: Series
    near: Series | None = None
    also: tuple[str, ...] = ()
    calm: int = 20
    lasts: int = 60
    after: int = 75
    near_calm: int | None = None  # where it is the time that makes the difference


def one(
    series: str, happens: Gauge | Counter | Still | Moment | Steps | None, near: Gauge | Counter | Still | Moment | None = None
) -> Case:
    """Something happens to one series; `near` happens to the same one."""
    return Case({series: happens}, None if near is None else {series: near})


_CHECK = 'munjigi_calls_total{%s,method="Check",reason="OK"}'
_ALLOWED = 'munjigi_tool_decisions_total{%s,tool="crm-desk",verdict="allow"}'
_DENIED = 'munjigi_tool_decisions_total{%s,tool="crm-desk",verdict="deny"}'
_WITHHELD = 'munjigi_answers_withheld_total{%s,reason="STATE_UNREACHABLE"}'
_QUICK = 'munjigi_call_seconds_bucket{%s,method="Check",le="0.01"}'
_TIMED = 'munjigi_call_seconds_count{%s,method="Check"}'

CASES: dict[str, Case] = {
    "MunjigiAway": Case({**dict.fromkeys(HEALTHY), "up{%s}": Gauge(0)}),
    "MunjigiNotServing": one("munjigi_worker_ready{%s}", Gauge(0), Gauge(1)),
    "WorkerMissing": one("munjigi_workers{%s}", Gauge(2)),
    "LeaseRanOut": one("munjigi_lease_lapses_total{%s}", Counter(1), Still(2)),
    "RecordsNotWritable": Case(
        {'munjigi_answers_withheld_total{%s,reason="AUDIT_UNAVAILABLE"}': Counter(0.5)},
        {'munjigi_answers_withheld_total{%s,reason="STATE_UNREACHABLE"}': Counter(0.5)},
    ),
    "JournalSyncSlow": one("munjigi_journal_sync_seconds_total{%s}", Counter(6)),
    "AvailabilityBurnsFast": Case({_WITHHELD: Counter(60)}, {_CHECK: Counter(0.1), _WITHHELD: Counter(0.05)}, lasts=20, after=70),
    "AvailabilityBurns": Case({_WITHHELD: Counter(2)}, {_WITHHELD: Counter(0.5)}, calm=5, lasts=360, after=330),
    "LatencyBurnsFast": Case(
        {_QUICK: Counter(400)},
        {_QUICK: Counter(0.05), _TIMED: Counter(0.1), _CHECK: Counter(0.1)},
        lasts=20,
        after=70,
    ),
    "LatencyBurns": Case({_QUICK: Counter(580)}, {_QUICK: Counter(596)}, calm=5, lasts=360, after=330),
    "CallsFail": one('munjigi_calls_total{%s,method="Check",reason="INTERNAL"}', Counter(0.1), Still(3)),
    "DiskFilling": one("munjigi_disk_level{%s}", Gauge(1)),
    "DiskNearlyFull": one("munjigi_disk_level{%s}", Gauge(2)),
    "DiskFull": one("munjigi_disk_level{%s}", Gauge(3), Gauge(2)),
    "FollowerSilent": one("munjigi_follower_heartbeat_timestamp_seconds{%s}", STUCK, Moment(50)),
    "FollowerJobFails": one('munjigi_follower_job_failing{%s,follower_job="ship"}', Gauge(1)),
    "IndexBehind": one("munjigi_index_records_total{%s}", STUCK),
    "SealNotSigning": one("munjigi_seal_checkpoint_timestamp_seconds{%s}", STUCK, Moment(100)),
    "WitnessRefuses": one('munjigi_witness_failures_total{%s,witness="w",reason="WITNESS_DIFFERS"}', Counter(1), Still(0)),
    "WitnessSilent": Case(
        {
            'munjigi_witness_timestamp_seconds{%s,witness="w"}': STUCK,
            'munjigi_witness_failures_total{%s,witness="w",reason="WITNESS_AWAY"}': Counter(1),
        },
        {'munjigi_witness_failures_total{%s,witness="w",reason="WITNESS_AWAY"}': Counter(1)},
    ),
    "ShippingBehind": one('munjigi_ship_pending_since_timestamp_seconds{%s,family="journal"}', Gauge(60), Moment(500)),
    "ShippingBacklogLarge": one('munjigi_ship_backlog_records{%s,family="journal"}', Gauge(2_000_000), Counter(10_000)),
    "ShippingRetries": Case(
        {"munjigi_ship_retries_total{%s}": Counter(200), 'munjigi_ship_records_total{%s,result="stored"}': GONE},
        {"munjigi_ship_retries_total{%s}": Counter(100)},
    ),
    "DeadLetters": one('munjigi_ship_dead_letters{%s,family="journal"}', Gauge(1), Gauge(0)),
    "NoticesWaiting": one('munjigi_notices_waiting_since_timestamp_seconds{%s,channel="mail"}', Gauge(60), Moment(800)),
    "NoticesGivenUp": one('munjigi_notices_given_up{%s,channel="mail"}', Gauge(1), Gauge(0)),
    "RetentionFails": one("munjigi_retention_failing{%s}", Gauge(1)),
    "DocumentAltered": one('munjigi_calls_total{%s,method="SearchRecords",reason="DOCUMENT_ALTERED"}', Counter(1), Still(0)),
    "PolicyRejected": one("munjigi_policy_rejected{%s}", Gauge(1)),
    "PolicyStale": one("munjigi_policy_loaded_timestamp_seconds{%s}", Gauge(-91 * DAY), Gauge(-89 * DAY)),
    "KeySetNotRenewed": one("munjigi_key_set_problem{%s}", Gauge(1)),
    "SignInFailures": one('munjigi_sign_in_failures_total{%s,reason="TOKEN_EXPIRED"}', Counter(120), Counter(50)),
    "LockoutsRepeat": one('munjigi_lockouts_total{%s,reason="TOKEN_SIGNATURE"}', Counter(1), Counter(0.05)),
    # A tool that is allowed nothing has no such series at all.
    "DenialFlood": Case({_DENIED: Counter(6_000), _ALLOWED: GONE}, {_DENIED: Counter(500)}),
    "DenialsCounted": one('munjigi_denials_counted_total{%s,tool="crm-desk",reason="NO_GRANT"}', Counter(5), Still(3)),
    "ArchiveBehind": one("munjigi_archive_waiting_segments{%s}", Gauge(6), Gauge(5)),
    "LoopStalls": one('munjigi_loop_stall_seconds{%s,process="worker-0"}', Gauge(0.4), Gauge(0.2)),
    "WorkersRestart": one('munjigi_process_start_timestamp_seconds{%s,process="worker-0"}', Steps(5), Gauge(1_000)),
    "ScrapeHeavy": one("scrape_duration_seconds{%s}", Gauge(1.5), Gauge(0.5)),
    "BreakGlassUsed": one("munjigi_break_glass_active{%s}", Gauge(1), Gauge(0)),
    "BreakGlassReviewOverdue": one("munjigi_break_glass_reviews_overdue{%s}", Gauge(1)),
    "ReviewOverdue": Case(
        {'munjigi_review_overdue{%s,kind="unused"}': Gauge(1)}, {'munjigi_review_overdue{%s,kind="unused"}': Gauge(0)}, lasts=70
    ),
    "ReviewItemsWait": Case(
        {'munjigi_review_undecided_since_timestamp_seconds{%s,kind="unused"}': Moment(11 * DAY)},
        {'munjigi_review_undecided_since_timestamp_seconds{%s,kind="unused"}': Moment(9 * DAY)},
        lasts=70,
    ),
    "ReviewLogClosingWaits": Case(
        {"munjigi_review_log_closing_since_timestamp_seconds{%s}": Moment(1.5 * DAY)},
        {"munjigi_review_log_closing_since_timestamp_seconds{%s}": Moment(0.5 * DAY)},
        lasts=70,
    ),
    "ReviewStoppedItself": one('munjigi_review_stopped_by_spike{%s,kind="unused"}', Gauge(1), Gauge(0)),
    "ReviewFalseRevocations": Case(
        {"munjigi_review_restored{%s}": Gauge(5)},
        {"munjigi_review_restored{%s}": Gauge(3)},
        lasts=70,
    ),
    "RequestsWaiting": Case(
        {"munjigi_access_request_oldest_timestamp_seconds{%s}": Moment(6 * DAY)},
        {"munjigi_access_request_oldest_timestamp_seconds{%s}": Moment(4 * DAY)},
        lasts=70,
    ),
    "GrantsEndTogether": Case(
        {'munjigi_grants_ending{%s,within="7d"}': Gauge(300)}, {'munjigi_grants_ending{%s,within="7d"}': Gauge(200)}, lasts=70
    ),
    # Trials begin at midnight UTC, nine in the morning in Korea: eleven hours later it is evening there.
    "PolicyChangedOffHours": Case(
        {"munjigi_policy_revision_number{%s}": Gauge(2)},
        {"munjigi_policy_revision_number{%s}": Gauge(2)},
        calm=680,
        lasts=10,
        after=40,
        near_calm=120,
    ),
    "ReconcileFinds": Case(
        {'munjigi_reconcile_findings{%s,kind="altered"}': Gauge(2)}, {'munjigi_reconcile_findings{%s,kind="missing"}': Gauge(2)}
    ),
    "ReconcileOverdue": Case(
        {"munjigi_reconcile_timestamp_seconds{%s}": Moment(9 * DAY)},
        {"munjigi_reconcile_timestamp_seconds{%s}": Moment(7 * DAY)},
        lasts=70,
    ),
}
