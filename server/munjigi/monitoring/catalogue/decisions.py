"""What was decided, answered and refused: questions, calls, credentials."""

from __future__ import annotations

from typing import Final

from munjigi.monitoring.metric import Metric

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
ANSWERS_WITHHELD: Final = Metric(
    "munjigi_answers_withheld_total",
    "counter",
    "Answers that were made and could not be sent, by reason: their record was not durable, or the lease had run out.",
    ("reason",),
)
DENIALS_COUNTED: Final = Metric(
    "munjigi_denials_counted_total",
    "counter",
    "Denials of a flood, which share a record; `munjigi_decisions_total` has them, too.",
    ("tool", "reason"),
)
DECISIONS_BY_CLASS: Final = Metric(
    "munjigi_class_decisions_total",
    "counter",
    "Decisions by verdict and data class: one for each class among the fields asked for, `none` where no class is known.",
    ("verdict", "class"),
)
DECISIONS_BY_PURPOSE: Final = Metric(
    "munjigi_purpose_decisions_total",
    "counter",
    "Decisions by verdict and registered purpose, `unknown` for any other.",
    ("verdict", "purpose"),
)
SUBJECTS: Final = Metric(
    "munjigi_subjects_total",
    "counter",
    "Data subjects that were asked for and allowed, by purpose; probes and observed decisions are left out.",
    ("purpose",),
)
EXPORTS: Final = Metric(
    "munjigi_exports_total",
    "counter",
    "Decisions on downloads, by verdict and purpose: action `export`, or any action on 1,000 data subjects and more; probes are left out.",
    ("verdict", "purpose"),
)
CONFIRMATIONS: Final = Metric(
    "munjigi_confirmations_total",
    "counter",
    "Confirmations of allowed reads by outcome; a repeated one counts once.",
    ("outcome",),
    begins=("read", "failed", "abandoned"),
)
CONFIRMED_ROWS: Final = Metric(
    "munjigi_confirmed_rows_total", "counter", "Rows that were confirmed as read, by the purpose of the decision.", ("purpose",)
)
