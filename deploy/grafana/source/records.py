"""Where every other panel leads: the records themselves, by a question in the words of Lucene."""

from __future__ import annotations

from typing import Final

from panel import Counted, Dashboard, Listed, Panel

_ROWS: Final = (
    Panel(
        "How many, when",
        "Records that answer the question above, in each interval.",
        "areas",
        "short",
        Counted("$query", ("event.action", "@timestamp")),
        width=16,
        search="--since 1h",
    ),
    Panel(
        "Of whom",
        "Records that answer the question above, by employee.",
        "bars",
        "short",
        Counted("$query", ("user.name",), most=10),
        width=8,
        search="--employee EMPLOYEE",
    ),
    Panel(
        "Records",
        "Newest first. A document of Elasticsearch is a copy: `munjigi audit search --decision-id ID` answers only what the log says, "
        "`munjigi audit prove ID` proves it to others.",
        "table",
        "short",
        Listed(
            "$query",
            (
                "@timestamp",
                "event.action",
                "user.name",
                "user.target.name",
                "munjigi.tool",
                "munjigi.decision",
                "event.reason",
                "munjigi.action",
                "munjigi.resource",
                "munjigi.data_classes",
                "munjigi.purpose",
                "munjigi.case_id",
                "munjigi.subject_count",
                "event.id",
            ),
            most=500,
        ),
        width=24,
        height=18,
        search="--decision-id ID",
    ),
)

RECORDS: Final = Dashboard(
    "munjigi-records",
    "Munjigi · records",
    "The records behind every other panel. Change the question above: `munjigi.decision:DENY AND user.name:cs.kim`.",
    (("Records", _ROWS),),
)
