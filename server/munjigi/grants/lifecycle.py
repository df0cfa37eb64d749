"""The life of a request, of a grant and of a person, as three tables: in which state which event may happen, and what state follows.

Stores refuse what is not in them, whoever asks (`changes.py`). What time does is no event: a grant's period says what it is
at any moment, so that no job has to come by for a right to end.

    requested --approve--> requested (next stage) | approved       pending --(starts)--> active --(ends)--> expired
        |--deny--> denied                                             |                    |--change--> active
        |--withdraw--> withdrawn                                      |                    |--suspend--> suspended --resume--> active
        |--supersede--> superseded (asked anew)                       |--revoke--------->  |--revoke--> revoked
        `--(nobody decides in time)--> lapsed                                   (a review's undoing: --restore--> as it was before)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from munjigi.kernel.access_request import AccessRequest, RequestState
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.grant import Grant, Status

GrantState = Literal["pending", "active", "suspended", "expired", "revoked"]
RequestEvent = Literal["approve", "deny", "withdraw", "supersede"]
GrantEvent = Literal["change", "suspend", "resume", "revoke", "restore"]
PersonnelKind = Literal["joiner", "mover", "leaver", "leave", "return", "facts", "account"]

# State and event -> the states that may follow.
REQUEST: Final[dict[tuple[RequestState, RequestEvent], tuple[RequestState, ...]]] = {
    ("requested", "approve"): ("requested", "approved"),
    ("requested", "deny"): ("denied",),
    ("requested", "withdraw"): ("withdrawn",),
    ("requested", "supersede"): ("superseded",),
}
# A grant that is suspended may be changed and goes on being suspended. One that is over is brought back by nothing but the undoing of
# the review that ended it, which makes it what it was before; what a review narrowed or suspended is restored in the same way.
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
    ("pending", "restore"): ("pending", "active"),
    ("active", "restore"): ("active",),
    ("suspended", "restore"): ("pending", "active", "suspended", "expired"),
    ("revoked", "restore"): ("pending", "active", "suspended", "expired"),
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
    ("left", "account"): "left",
}


def state_of(grant: Grant, now: int) -> GrantState:
    """Return what a grant is at `now` (UTC nanoseconds)."""
    if grant.ended:
        return "revoked"
    if now >= grant.ends_at:
        return "expired"
    if grant.suspended:
        return "suspended"
    return "active" if now >= grant.starts_at else "pending"


def over(grant: Grant, now: int, why: str) -> Grant:
    """Return the grant as it is when it ends at `now`, before its time. `why` is a code."""
    return replace(grant, starts_at=min(grant.starts_at, now), ends_at=now, suspended="", ended=why)


def require(grant: Grant, event: GrantEvent, now: int) -> None:
    """Refuse an event that a grant's life does not have now. Raises `FailedPrecondition`."""
    state = state_of(grant, now)
    if (state, event) not in GRANT:
        raise FailedPrecondition("GRANT_STATE", f"The grant is {state}, so there is nothing to {event}; ask for access anew.")


def request_state_of(request: AccessRequest, now: int) -> RequestState:
    """Return what a request is at `now`: undecided for too long, it has lapsed; what was taken in an emergency never does."""
    late = request.state == "requested" and request.kind != "break_glass" and now >= request.lapses_at
    return "lapsed" if late else request.state


def require_open(request: AccessRequest, event: RequestEvent, now: int) -> None:
    """Refuse an event that a request's life does not have now. Raises `FailedPrecondition`."""
    state = request_state_of(request, now)
    if (state, event) not in REQUEST:
        raise FailedPrecondition("ACCESS_REQUEST_CLOSED", f"The request is {state}, so there is nothing to {event}; ask anew.")
