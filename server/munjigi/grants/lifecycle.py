"""The life of a request, of a grant and of a person, as three tables: in which state which event may happen, and what state follows.

Stores refuse what is not in them, whoever asks (`changes.py`). A grant's start and end are no events: its period says what it is
at any moment, so that no job has to come by for a right to end.

    requested --approve--> requested (next stage) | approved       pending --(starts)--> active --(ends)--> expired
        |--deny--> denied                                             |                    |--change--> active
        |--withdraw--> withdrawn                                      |                    |--suspend--> suspended --resume--> active
        |--supersede--> superseded (asked anew)                       |--revoke--------->  |--revoke--> revoked
        `--lapse--> lapsed (nobody decided in time)
"""

from __future__ import annotations

from typing import Final, Literal

from munjigi.kernel.access_request import RequestState
from munjigi.kernel.grant import Grant, Status

GrantState = Literal["pending", "active", "suspended", "expired", "revoked"]
RequestEvent = Literal["approve", "deny", "withdraw", "supersede", "lapse"]
GrantEvent = Literal["change", "suspend", "resume", "revoke"]
PersonnelKind = Literal["joiner", "mover", "leaver", "leave", "return", "facts", "account"]

# State and event -> the states that may follow.
REQUEST: Final[dict[tuple[RequestState, RequestEvent], tuple[RequestState, ...]]] = {
    ("requested", "approve"): ("requested", "approved"),
    ("requested", "deny"): ("denied",),
    ("requested", "withdraw"): ("withdrawn",),
    ("requested", "supersede"): ("superseded",),
    ("requested", "lapse"): ("lapsed",),
}
# A grant that is suspended may be changed and goes on being suspended; one that is over is never brought back.
GRANT: Final[dict[tuple[GrantState, GrantEvent], tuple[GrantState, ...]]] = {
    ("pending", "change"): ("pending", "active"),
    ("pending", "suspend"): ("suspended",),
    ("pending", "revoke"): ("revoked",),
    ("active", "change"): ("active", "pending"),
    ("active", "suspend"): ("suspended",),
    ("active", "revoke"): ("revoked",),
    ("suspended", "change"): ("suspended",),
    ("suspended", "resume"): ("active", "pending", "expired"),
    ("suspended", "revoke"): ("revoked",),
}
# A person who is not known yet has the state "". Who has left joins again with nothing of what was held.
PERSON: Final[dict[tuple[Status | Literal[""], PersonnelKind], Status]] = {
    ("", "joiner"): "active",
    ("left", "joiner"): "active",
    ("active", "mover"): "active",
    ("leave", "mover"): "leave",
    ("active", "leaver"): "left",
    ("leave", "leaver"): "left",
    ("active", "leave"): "leave",
    ("leave", "return"): "active",
    ("active", "facts"): "active",
    ("leave", "facts"): "leave",
    ("left", "facts"): "left",
    ("active", "account"): "active",
    ("leave", "account"): "leave",
}
OVER: Final[tuple[RequestState, ...]] = ("approved", "denied", "withdrawn", "superseded", "lapsed")


def state_of(grant: Grant, now: int) -> GrantState:
    """Return what a grant is at `now` (UTC nanoseconds)."""
    if grant.ended:
        return "revoked"
    if now >= grant.ends_at:
        return "expired"
    if grant.suspended:
        return "suspended"
    return "active" if now >= grant.starts_at else "pending"
