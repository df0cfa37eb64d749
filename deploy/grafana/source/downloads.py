"""Downloads of personal data (Standards for Measures to Ensure the Safety of Personal Information, art. 8(2)): who, how much, what for."""

from __future__ import annotations

from typing import Final

from panel import Counted, Dashboard, Listed, Panel, asked, or_none, or_zero, over_range, rate
from shared import MEMBERS

_DOWNLOADS: Final = (
    "event.action:access.decision AND NOT munjigi.probe:true AND (munjigi.action:export OR munjigi.subject_count:[1000 TO *])"
)
_ALLOWED: Final = f"{_DOWNLOADS} AND munjigi.decision:ALLOW"
_COUNTS: Final = (
    Panel(
        "Downloads allowed",
        "Decisions on an export, or on a thousand members and more, that were allowed in the time that is looked at.",
        "number",
        "short",
        asked(or_zero(over_range("munjigi_exports_total", where='verdict="allow"')), "allowed"),
        width=6,
        height=4,
        records=_ALLOWED,
        search="--event-type access.decision --decision allow",
    ),
    Panel(
        "Downloads denied",
        "The same, denied.",
        "number",
        "short",
        asked(or_zero(over_range("munjigi_exports_total", where='verdict="deny"')), "denied"),
        width=6,
        height=4,
        records=f"{_DOWNLOADS} AND munjigi.decision:DENY",
        search="--event-type access.decision --decision deny",
        quiet="nobody was denied a download",
    ),
    MEMBERS._replace(text="Data subjects of all allowed decisions, downloads or not.", width=6),
    Panel(
        "Rows read",
        "Rows that tools confirmed as read.",
        "number",
        "short",
        asked(or_zero(over_range("munjigi_confirmed_rows_total")), "rows"),
        width=6,
        height=4,
        records="event.action:access.confirm",
        search="--event-type access.confirm",
    ),
    Panel(
        "Downloads by verdict and purpose",
        "Decisions a second.",
        "areas",
        "cps",
        asked(rate("munjigi_exports_total", "verdict, purpose"), "{{verdict}} {{purpose}}"),
        width=8,
        records=f"{_DOWNLOADS} AND munjigi.purpose:${{__field.labels.purpose}}",
        search="--event-type access.decision",
    ),
    Panel(
        "Members concerned, by purpose",
        "Data subjects of allowed decisions a second.",
        "areas",
        "cps",
        asked(or_none(rate("munjigi_subjects_total", "purpose"), "purpose"), "{{purpose}}"),
        width=8,
        records="munjigi.decision:ALLOW AND munjigi.purpose:${__field.labels.purpose}",
        search="--decision allow",
    ),
    Panel(
        "Rows read, by purpose",
        "Rows a second that tools confirmed as read.",
        "areas",
        "cps",
        asked(or_none(rate("munjigi_confirmed_rows_total", "purpose"), "purpose"), "{{purpose}}"),
        width=8,
        records="event.action:access.confirm",
        search="--event-type access.confirm",
    ),
)
_RECORDS: Final = (
    Panel(
        "Whose downloads concern most members",
        "Members of allowed downloads, added up by employee.",
        "bars",
        "short",
        Counted(_ALLOWED, ("user.name",), number="sum munjigi.subject_count", most=10),
        width=8,
        records=f"{_ALLOWED} AND user.name:${{__data.fields[0]}}",
        search="--employee EMPLOYEE --event-type access.decision",
    ),
    Panel(
        "What for, and through which tool",
        "Members of allowed downloads by purpose and tool.",
        "table",
        "short",
        Counted(_ALLOWED, ("munjigi.purpose", "munjigi.tool"), number="sum munjigi.subject_count"),
        width=8,
        search="--through TOOL",
    ),
    Panel(
        "Downloads over time",
        "Downloads in each interval, by verdict, from the records.",
        "areas",
        "short",
        Counted(_DOWNLOADS, ("munjigi.decision", "@timestamp")),
        width=8,
        search="--event-type access.decision",
    ),
    Panel(
        "Downloads, one by one",
        "Each with who, what for and how many members: what the reason of each download is checked against, once a month.",
        "table",
        "short",
        Listed(
            _DOWNLOADS,
            (
                "@timestamp",
                "user.name",
                "munjigi.tool",
                "munjigi.decision",
                "munjigi.action",
                "munjigi.resource",
                "munjigi.purpose",
                "munjigi.case_id",
                "munjigi.subject_count",
                "event.id",
            ),
        ),
        width=24,
        height=10,
        search="--event-type access.decision",
    ),
)

DOWNLOADS: Final = Dashboard(
    "munjigi-downloads",
    "Munjigi · personal-data downloads",
    "For the privacy office: exports, and reads of a thousand members and more.",
    (("Counted", _COUNTS), ("From the records", _RECORDS)),
    since="now-7d",
)
