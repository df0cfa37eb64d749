"""Periodic review of rights: what is due, what waits for people's word, and whether reviews are good (REVIEW R20)."""

from __future__ import annotations

from typing import Final

from munjigi.monitoring.metric import Metric

REVIEW_ITEMS: Final = Metric(
    "munjigi_review_items",
    "gauge",
    "Items of the reviews that are not over, by kind of review and state: `open` (nobody's word yet), `decided`, `applied`, `spared`, "
    "`skipped`.",
    ("kind", "state"),
)
REVIEW_UNDECIDED: Final = Metric(
    "munjigi_review_undecided_since_timestamp_seconds",
    "gauge",
    "Since when the oldest item of a kind waits for somebody's word; 0 when none does.",
    ("kind",),
)
REVIEW_OVERDUE: Final = Metric(
    "munjigi_review_overdue",
    "gauge",
    "1 while a kind of review is past its time: due for longer than a day and not planned, or undecided after its default should count.",
    ("kind",),
)
REVIEW_LAST: Final = Metric(
    "munjigi_review_planned_timestamp_seconds", "gauge", "When the newest review of a kind was planned; 0: never.", ("kind",)
)
REVIEW_STOPPED: Final = Metric(
    "munjigi_review_stopped_by_spike",
    "gauge",
    "1 while the newest review of a kind is one that stopped itself, since holders were denied what it had taken.",
    ("kind",),
)
REVIEW_LOG_CLOSING: Final = Metric(
    "munjigi_review_log_closing_since_timestamp_seconds",
    "gauge",
    "Since when the oldest closing of a lost log waits for a second person's word; 0 when none does. None does while the log is written or "
    "counted again.",
)
REVIEW_EXCEPTIONS: Final = Metric("munjigi_review_exceptions", "gauge", "Exceptions from reviews that hold now.")
REVIEW_TAKEN: Final = Metric(
    "munjigi_review_taken", "gauge", "Grants that reviews took away, narrowed or suspended within the last 90 days."
)
REVIEW_RESTORED: Final = Metric(
    "munjigi_review_restored", "gauge", "Of those, grants that were given back within 14 days: false revocations."
)
REVIEW_COVERAGE: Final = Metric(
    "munjigi_review_coverage_ratio", "gauge", "Share of the grants in force that a review of the last 92 days looked at, 0 to 1."
)
REVIEW_EXCESS: Final = Metric(
    "munjigi_review_excess_permissions",
    "gauge",
    "Permissions that people hold and did not use, by data class (`none`: of no members), as the newest plan over use has it.",
    ("class",),
)
REVIEW_PEOPLE: Final = Metric("munjigi_review_people", "gauge", "People whose grants that plan looked at.")
