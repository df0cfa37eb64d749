"""The control center's first page: who is let in, who is not, and whether the trail is whole. Prometheus alone feeds it.

`munjigi report dashboard` draws these panels, too.
"""

from __future__ import annotations

from typing import Final

from panel import ALERTS, Dashboard, Panel, Query, asked, or_zero, over_range, rate
from shared import ALLOWED_BY_CLASS, ALLOWED_BY_PURPOSE, MEMBERS, REFUSED_SIGN_INS

_CHECK: Final = 'method="Check"'


def _quantile(share: str) -> str:
    """How long that share of calls took at most. One method: each has seventeen series, and all of 30 days are read."""
    return f"histogram_quantile({share}, {rate('munjigi_call_seconds_bucket', 'le', where=_CHECK)})"


_ASKED: Final = over_range("munjigi_decisions_total")
_DENIED: Final = over_range("munjigi_decisions_total", where='verdict="deny"')
_NOW: Final = (
    Panel(
        "Decisions",
        "Answers that were given in the time that is looked at. Each has a record.",
        "number",
        "short",
        asked(_ASKED, "decisions"),
        width=4,
        height=4,
        records="event.action:access.decision",
        search="--event-type access.decision",
    ),
    Panel(
        "Denied",
        "Share of them that were denied. A sudden change is worth a look at the reasons below.",
        "number",
        "percentunit",
        asked(f"({or_zero(_DENIED)}) / ({_ASKED} > 0)", "denied"),
        width=4,
        height=4,
        records="munjigi.decision:DENY",
        search="--decision deny",
        worry=0.5,
    ),
    MEMBERS,
    Panel(
        "Stopped",
        "People and tools that are blocked now. `munjigi unblock` lets them go on.",
        "number",
        "short",
        asked("max(munjigi_blocked_principals{$at})", "blocked"),
        width=4,
        height=4,
        records="event.action:permission.block",
        search="--event-type permission.block",
        worry=1,
    ),
    Panel(
        "Emergency grants",
        "Grants that somebody took at once and that count now; each has a review.",
        "number",
        "short",
        asked("max(munjigi_break_glass_active{$at})", "break-glass"),
        width=4,
        height=4,
        records="munjigi.break_glass:true",
        search="--event-type permission.grant",
        worry=1,
    ),
    Panel(
        "Alerts",
        "Alerts of Munjigi's rules that are firing. Each has a section in docs/alerts.md, which begins with `munjigi doctor`.",
        "number",
        "short",
        asked(or_zero('count(ALERTS{alertstate="firing", severity=~"page|ticket", owner!="", $at})'), "firing"),
        width=4,
        height=4,
        quiet="no alert is firing",
        worry=1,
    ),
)
_ACCESS: Final = (
    Panel(
        "Decisions by verdict",
        "Decisions a second. Both lines follow the working day; a deny line that leaves it is a tool or a person to ask about.",
        "areas",
        "cps",
        asked(rate("munjigi_decisions_total", "verdict"), "{{verdict}}"),
        records="munjigi.decision:(ALLOW OR DENY)",
        search="--event-type access.decision",
    ),
    Panel(
        "Denials by reason",
        "Denials a second. `docs/errors.md` says of each reason what leads to it.",
        "areas",
        "cps",
        asked(rate("munjigi_decisions_total", "reason", where='verdict="deny"'), "{{reason}}"),
        records="munjigi.decision:DENY AND event.reason:${__field.labels.reason}",
        search="--decision deny",
    ),
    ALLOWED_BY_CLASS._replace(
        text="Decisions a second that let an employee read data of a class; one that concerns several classes counts for each.",
        shape="lines",
        width=8,
    ),
    ALLOWED_BY_PURPOSE._replace(text="Decisions a second that let an employee read, by what for.", shape="lines"),
    Panel(
        "By tool",
        "Decisions a second by the calling tool.",
        "lines",
        "cps",
        asked(rate("munjigi_tool_decisions_total", "tool"), "{{tool}}"),
        width=8,
        records="event.action:access.decision AND munjigi.tool:${__field.labels.tool}",
        search="--through TOOL",
    ),
)
_HEALTH: Final = (
    REFUSED_SIGN_INS._replace(
        text="Refused credentials a second, by reason. Many of one reason are a broken tool, or somebody who tries."
    ),
    Panel(
        "Time of a decision",
        "Half and 99 of 100 calls of Check were answered within this time, before the sync of their record.",
        "lines",
        "s",
        (Query(_quantile("0.5"), "p50"), Query(_quantile("0.99"), "p99")),
        width=8,
        records="event.action:access.decision",
        search="--event-type access.decision",
    ),
    Panel(
        "Behind the journal",
        "Age of the newest signed checkpoint, and of the oldest record that waits for Elasticsearch. Minutes are worth a look: "
        "docs/alerts.md, SealNotSigning and ShippingBehind. `munjigi audit verify` looks at the records themselves.",
        "lines",
        "s",
        (
            Query("time() - max(munjigi_seal_checkpoint_timestamp_seconds{$at})", "sealed"),
            Query(or_zero("max(time() - (munjigi_ship_pending_since_timestamp_seconds{$at} > 0))"), "shipped"),
        ),
        width=8,
    ),
)

OVERVIEW: Final = Dashboard(
    "munjigi-overview",
    "Munjigi · overview",
    f"For the control center: access, refusals, {ALERTS} and the health of the trail. Every panel leads to its records.",
    (("Now", _NOW), ("Access", _ACCESS), ("Health", _HEALTH)),
)
