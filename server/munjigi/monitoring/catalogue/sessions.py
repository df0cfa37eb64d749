"""Who signs in, who can not, and whose session has ended."""

from __future__ import annotations

from typing import Final

from munjigi.monitoring.metric import Metric

SIGN_IN_FAILURES: Final = Metric("munjigi_sign_in_failures_total", "counter", "Refused credentials by reason.", ("reason",))
LOCKOUTS: Final = Metric(
    "munjigi_lockouts_total",
    "counter",
    "Doors locked for a while after repeated refusals, by the reason of the last one; a door that goes on is locked again, for longer.",
    ("reason",),
)
KEY_SET_PROBLEM: Final = Metric(
    "munjigi_key_set_problem",
    "gauge",
    "1 while the key set of employees' tokens can't be renewed; the keys known so far hold.",
    across="livemax",
)
SESSIONS: Final = Metric(
    "munjigi_sessions",
    "gauge",
    "Employees' sessions that a worker has proved and that hold; one that several workers know counts at each.",
    across="livesum",
)
SESSIONS_ENDED: Final = Metric(
    "munjigi_sessions_ended_total",
    "counter",
    "Sessions that were ended before their time: `logout` by the identity provider, `leaver` with the person.",
    ("reason",),
    begins=("logout", "leaver"),
)
