"""Periodic review of rights: what is due and undecided, what reviews took and gave back, what is held and not used.

Instances that share a state see the same, hence `max`.
"""

from __future__ import annotations

from typing import Final

from panel import Counted, Dashboard, Listed, Panel, asked, or_none, or_zero
from shared import LOST_LOG_WAITS

_STEPS: Final = "review.opened OR review.decided OR review.applied OR review.changed OR review.closed OR review.undone"
_SINCE: Final = "munjigi_review_undecided_since_timestamp_seconds{$at}"
_STATE: Final = (
    Panel(
        "Items without a word",
        "Items of running reviews that nobody has decided. `munjigi review list --everyone` shows the reviews.",
        "number",
        "short",
        asked(or_zero('sum(max by (kind) (munjigi_review_items{$at, state="open"}))'), "items"),
        width=4,
        height=4,
        records="event.action:review.*",
        search="--event-type review.opened",
        quiet="nothing waits for a reviewer",
    ),
    Panel(
        "Longest wait",
        "How long the oldest of them has waited.",
        "number",
        "s",
        asked(or_zero(f"max(time() - ({_SINCE} > 0))"), "waits"),
        width=4,
        height=4,
        records="event.action:review.decided",
        search="--event-type review.decided",
        quiet="no item waits",
        worry=864_000,
    ),
    LOST_LOG_WAITS,
    Panel(
        "Reviews overdue",
        "Kinds of review that are past their time: not planned, or undecided after the default should count.",
        "number",
        "short",
        asked("sum(max by (kind) (munjigi_review_overdue{$at}))", "overdue"),
        width=3,
        height=4,
        records="event.action:review.opened",
        search="--event-type review.opened",
        worry=1,
    ),
    Panel(
        "False revocations",
        "Share of the grants that reviews took within 90 days that were given back within 14 days. Less than 1 % is the aim.",
        "number",
        "percentunit",
        asked(or_zero("max(munjigi_review_restored{$at}) / (max(munjigi_review_taken{$at}) > 0)"), "given back"),
        width=3,
        height=4,
        records="event.action:review.undone",
        search="--event-type review.undone",
        quiet="nothing was taken",
        worry=0.01,
    ),
    Panel(
        "Grants reviewed",
        "Share of the grants in force that a review of the last 92 days looked at. ISMS-P 2.5.6 asks for all of them, each quarter.",
        "number",
        "percentunit",
        asked("max(munjigi_review_coverage_ratio{$at})", "reviewed"),
        width=3,
        height=4,
        records="event.action:review.opened",
        search="--event-type review.opened",
    ),
    Panel(
        "Exceptions",
        "Grants that stay although a review would take them, by the word of two people, for 90 days at most.",
        "number",
        "short",
        asked("max(munjigi_review_exceptions{$at})", "exceptions"),
        width=3,
        height=4,
        records="event.action:review.exception_approved",
        search="--event-type review.exception_approved",
    ),
)
_OVER_TIME: Final = (
    Panel(
        "Items by state",
        "Items of the reviews that are not over, by state.",
        "areas",
        "short",
        asked(or_none("sum by (state) (max by (kind, state) (munjigi_review_items{$at}))", "state"), "{{state}}"),
        width=8,
        records="event.action:review.*",
        search="--event-type review.decided",
        quiet="no review runs",
    ),
    Panel(
        "Permissions held and not used, a person",
        "By data class, as the newest plan over use has it: what a review could take without anybody missing it.",
        "lines",
        "short",
        asked(
            or_none(
                "max by (class) (munjigi_review_excess_permissions{$at})"
                " / on () group_left () (max(munjigi_review_people{$at}) > 0)",
                "class",
            ),
            "{{class}}",
        ),
        width=8,
        records="event.action:review.opened",
        search="--event-type review.opened",
        quiet="nothing was planned yet",
    ),
    Panel(
        "Taken, and given back",
        "Grants that reviews took within 90 days, and those of them that came back within 14 days.",
        "lines",
        "short",
        (*asked("max(munjigi_review_taken{$at})", "taken"), *asked("max(munjigi_review_restored{$at})", "given back")),
        width=8,
        records="event.action:(review.applied OR review.undone)",
        search="--event-type review.applied",
    ),
)
_PEOPLE: Final = (
    Panel(
        "Words of reviewers",
        "Records of decisions on items, by whose they are.",
        "bars",
        "short",
        Counted("event.action:review.decided", ("user.name",)),
        width=8,
        records="event.action:review.decided",
        search="--event-type review.decided",
        quiet="nobody has decided",
    ),
    Panel(
        "Steps of reviews",
        "Newest first: opened, decided, applied, stopped, undone.",
        "table",
        "short",
        Listed(f"event.action:({_STEPS})", ("@timestamp", "event.action", "user.name", "event.id")),
        width=16,
        records="event.action:review.*",
        search="--event-type review.opened",
        quiet="no review was opened",
    ),
)

REVIEWS: Final = Dashboard(
    "munjigi-reviews",
    "Munjigi · reviews of rights",
    "What is held and not used, who decides on it, and whether reviews are good.",
    (("Now", _STATE), ("Over time", _OVER_TIME), ("Who decided what", _PEOPLE)),
    since="now-90d",
)
