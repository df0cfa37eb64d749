"""Which policy decides."""

from __future__ import annotations

from typing import Final

from munjigi.monitoring.metric import Metric

POLICY_LOADS: Final = Metric("munjigi_policy_loads_total", "counter", "Attempts to load the policy home by result.", ("result",))
POLICY_LOADED: Final = Metric("munjigi_policy_loaded_timestamp_seconds", "gauge", "When the policy in force was loaded.")
POLICY_REJECTED: Final = Metric(
    "munjigi_policy_rejected",
    "gauge",
    "1 while the policy home on disk is refused and an older policy decides.",
    across="livemax",
)
POLICY_REVISION: Final = Metric(
    "munjigi_policy_revision_number",
    "gauge",
    "The first 48 bits of the revision of the policy in force, as a number: another number is another policy.",
)
