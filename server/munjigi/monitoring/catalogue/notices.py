"""Who is told."""

from __future__ import annotations

from typing import Final

from munjigi.monitoring.metric import Metric

NOTICES_MADE: Final = Metric(
    "munjigi_notices_made_total", "counter", "Notices that were made, by what they are about and severity.", ("kind", "severity")
)
NOTICES_TRIED: Final = Metric(
    "munjigi_notices_tried_total",
    "counter",
    "Letters that were tried, by channel (`webhook`, `mail`) and result: `sent`, `later`, `never`, or `away`, the receiver takes nothing.",
    ("channel", "result"),
)
NOTICES_WAITING: Final = Metric(
    "munjigi_notices_waiting", "gauge", "Letters that wait to be delivered, by channel.", ("channel",)
)
NOTICES_WAITING_SINCE: Final = Metric(
    "munjigi_notices_waiting_since_timestamp_seconds",
    "gauge",
    "Since when the oldest letter of a channel waits; 0 when none does.",
    ("channel",),
)
NOTICES_GIVEN_UP: Final = Metric(
    "munjigi_notices_given_up",
    "gauge",
    "Letters that were given up and put aside, by channel: `munjigi notices list`.",
    ("channel",),
)
SCHEDULER_HOLDER: Final = Metric(
    "munjigi_scheduler_holder",
    "gauge",
    "1 while this host does what is done once over a state: notices. Added up over its hosts it is 1, but for seconds of a take-over.",
)
