"""Who holds what: grants, requests, emergencies, people, blocks, and how current a worker knows them."""

from __future__ import annotations

from typing import Final

from munjigi.audit.permission_records import PermissionRecord
from munjigi.audit.schema.catalogue import EVENTS
from munjigi.monitoring.metric import Metric

GRANT_REVISION: Final = Metric(
    "munjigi_grant_revision", "gauge", "Revision of the grant table in force; of several workers, the oldest.", across="livemin"
)
LEASE_LAPSES: Final = Metric(
    "munjigi_lease_lapses_total",
    "counter",
    "Times that a worker's lease ran out, because the state store was away or the worker held up: it then answers UNAVAILABLE.",
)
BLOCKED: Final = Metric("munjigi_blocked_principals", "gauge", "People and tools that the control center has stopped.")
PERMISSION_CHANGES: Final = Metric(
    "munjigi_permission_changes_total",
    "counter",
    "Permission records by event type, since the daemon started; instances that share a state count the same ones.",
    ("event",),
    begins=tuple(event.name for event in EVENTS if issubclass(event.record, PermissionRecord)),
)
GRANTS: Final = Metric("munjigi_grants", "gauge", "Grants that are not over: `active`, `upcoming` or `suspended`.", ("state",))
GRANTS_ENDING: Final = Metric(
    "munjigi_grants_ending", "gauge", "Active grants that end within a day, a week, a month (`1d`, `7d`, `30d`).", ("within",)
)
GRANT_EXPIRIES: Final = Metric(
    "munjigi_grant_expiries_total", "counter", "Grants whose end was reached, since the daemon started."
)
ACCESS_REQUESTS: Final = Metric(
    "munjigi_access_requests",
    "gauge",
    "Requests that wait: `requested` for a decision, `review` of a break-glass grant for its reviewers.",
    ("state",),
)
ACCESS_REQUEST_OLDEST: Final = Metric(
    "munjigi_access_request_oldest_timestamp_seconds",
    "gauge",
    "Since when the oldest request waits for a decision; 0 when none does.",
)
BREAK_GLASS_ACTIVE: Final = Metric("munjigi_break_glass_active", "gauge", "Emergency grants that count now.")
BREAK_GLASS_OVERDUE: Final = Metric(
    "munjigi_break_glass_reviews_overdue", "gauge", "Reviews of emergency grants that are past their time."
)
PEOPLE: Final = Metric("munjigi_people", "gauge", "People by state: `active`, on `leave`, or `left`.", ("state",))
