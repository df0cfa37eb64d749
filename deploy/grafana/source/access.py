"""Who reads which classes of members' data, and what for. Counts come from Prometheus; people, who are in no metric, from the records."""

from __future__ import annotations

from typing import Final

from panel import Counted, Dashboard, Listed, Panel, asked, rate
from shared import ALLOWED_BY_CLASS, ALLOWED_BY_PURPOSE

_READS: Final = "event.action:access.decision AND munjigi.decision:ALLOW AND NOT munjigi.own:true AND NOT munjigi.probe:true"
_COUNTS: Final = (
    ALLOWED_BY_CLASS,
    Panel(
        "Denied, by data class",
        "Decisions a second that kept a class from an employee.",
        "areas",
        "cps",
        asked(rate("munjigi_class_decisions_total", "class", where='verdict="deny"'), "{{class}}"),
        records="munjigi.decision:DENY AND munjigi.data_classes:${__field.labels.class}",
        search="--decision deny",
    ),
    ALLOWED_BY_PURPOSE,
    Panel(
        "Denied, by purpose",
        "Decisions a second by purpose of processing; `unknown` stands for purposes that nobody registered.",
        "areas",
        "cps",
        asked(rate("munjigi_purpose_decisions_total", "purpose", where='verdict="deny"'), "{{purpose}}"),
        width=8,
        records="munjigi.decision:DENY AND munjigi.purpose:${__field.labels.purpose}",
        search="--decision deny",
    ),
    Panel(
        "What became of reads",
        "Confirmations a second by outcome. An allowed read that no tool confirms is not among them.",
        "areas",
        "cps",
        asked(rate("munjigi_confirmations_total", "outcome"), "{{outcome}}"),
        width=8,
        records="event.action:access.confirm AND munjigi.outcome:${__field.labels.outcome}",
        search="--event-type access.confirm",
    ),
)
_PEOPLE: Final = (
    Panel(
        "Who read most often",
        "Allowed reads by employee, from the records.",
        "bars",
        "short",
        Counted(_READS, ("user.name",), most=10),
        width=8,
        records="munjigi.decision:ALLOW AND user.name:${__data.fields[0]}",
        search="--employee EMPLOYEE --decision allow",
    ),
    Panel(
        "Whose questions were denied most often",
        "Denied reads by employee, from the records.",
        "bars",
        "short",
        Counted("munjigi.decision:DENY AND NOT munjigi.own:true", ("user.name",), most=10),
        width=8,
        records="munjigi.decision:DENY AND user.name:${__data.fields[0]}",
        search="--employee EMPLOYEE --decision deny",
    ),
    Panel(
        "What for, and what of",
        "Allowed reads by purpose and data class, from the records.",
        "table",
        "short",
        Counted(_READS, ("munjigi.purpose", "munjigi.data_classes")),
        width=8,
        search="--event-type access.decision",
    ),
    Panel(
        "Reads over time, by data class",
        "Allowed reads in each interval, from the records: to be held against the counters above.",
        "areas",
        "short",
        Counted(_READS, ("munjigi.data_classes", "@timestamp")),
        width=24,
        search="--decision allow",
    ),
    Panel(
        "The newest reads",
        "Records of allowed reads, newest first. Members are keyed references; `munjigi audit search --member SERIAL` finds one's.",
        "table",
        "short",
        Listed(
            _READS,
            (
                "@timestamp",
                "user.name",
                "munjigi.tool",
                "munjigi.resource",
                "munjigi.data_classes",
                "munjigi.purpose",
                "munjigi.case_id",
                "munjigi.subject_count",
                "event.id",
            ),
        ),
        width=24,
        height=10,
        search="--decision allow",
    ),
)

ACCESS: Final = Dashboard(
    "munjigi-access",
    "Munjigi · access by data class and purpose",
    "For the privacy office: which classes of members' data are read, what for, and by whom.",
    (("By class and purpose", _COUNTS), ("By employee, from the records", _PEOPLE)),
)
