"""Panels that several dashboards show, each in its own words and size."""

from __future__ import annotations

from typing import Final

from panel import Panel, asked, or_none, or_zero, over_range, rate

ALLOWED_BY_CLASS: Final = Panel(
    "Allowed, by data class",
    "Decisions a second that let an employee read a class; a decision over several classes counts for each.",
    "areas",
    "cps",
    asked(rate("munjigi_class_decisions_total", "class", where='verdict="allow"'), "{{class}}"),
    records="munjigi.decision:ALLOW AND munjigi.data_classes:${__field.labels.class}",
    search="--decision allow",
)
ALLOWED_BY_PURPOSE: Final = Panel(
    "Allowed, by purpose",
    "Decisions a second by purpose of processing.",
    "areas",
    "cps",
    asked(rate("munjigi_purpose_decisions_total", "purpose", where='verdict="allow"'), "{{purpose}}"),
    width=8,
    records="munjigi.decision:ALLOW AND munjigi.purpose:${__field.labels.purpose}",
    search="--decision allow",
)
MEMBERS: Final = Panel(
    "Members concerned",
    "Data subjects whose data employees were allowed to read, added up over all decisions.",
    "number",
    "short",
    asked(or_zero(over_range("munjigi_subjects_total")), "members"),
    width=4,
    height=4,
    records="munjigi.decision:ALLOW AND munjigi.subject_count:[1 TO *]",
    search="--decision allow",
)
LOST_LOG_WAITS: Final = Panel(
    "Lost log waits",
    "How long the oldest closing of a lost log has waited for a second person's word. No review of use is planned meanwhile, on any host. "
    "docs/alerts.md: ReviewLogClosingWaits.",
    "number",
    "s",
    asked(or_zero("max(time() - (munjigi_review_log_closing_since_timestamp_seconds{$at} > 0))"), "waits"),
    width=4,
    height=4,
    records="event.action:review.log_close_asked",
    search="--event-type review.log_close_asked",
    quiet="nobody has said that a log is lost, or two have",
    worry=86_400,
)
REFUSED_SIGN_INS: Final = Panel(
    "Refused sign-ins",
    "Refused credentials a second, by reason.",
    "areas",
    "cps",
    asked(or_none(rate("munjigi_sign_in_failures_total", "reason"), "reason"), "{{reason}}"),
    width=8,
    records="event.action:identity.failure AND event.reason:${__field.labels.reason}",
    search="--event-type identity.failure",
    quiet="nobody was refused",
)
