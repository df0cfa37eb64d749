"""Rights as the client gives them back: grants, requests for access, and what became of a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb
from munjigi_client._proto.munjigi.v1 import grant_pb2, revocation_pb2

RequestState = Literal["requested", "approved", "denied", "withdrawn", "superseded", "lapsed"]
RequestKind = Literal["new", "renew", "change", "break_glass"]
GrantState = Literal["pending", "active", "suspended", "expired", "revoked"]

STATES: Final[dict[RequestState, pb.RequestState]] = {
    "requested": pb.REQUEST_STATE_REQUESTED,
    "approved": pb.REQUEST_STATE_APPROVED,
    "denied": pb.REQUEST_STATE_DENIED,
    "withdrawn": pb.REQUEST_STATE_WITHDRAWN,
    "superseded": pb.REQUEST_STATE_SUPERSEDED,
    "lapsed": pb.REQUEST_STATE_LAPSED,
}
_STATE_NAMES: Final = {number: name for name, number in STATES.items()}
_KIND_NAMES: Final[dict[int, RequestKind]] = {
    pb.REQUEST_KIND_NEW: "new",
    pb.REQUEST_KIND_RENEW: "renew",
    pb.REQUEST_KIND_CHANGE: "change",
    pb.REQUEST_KIND_BREAK_GLASS: "break_glass",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """Who holds which role for which purpose, from when until before when (UTC nanoseconds since 1970), by whose approval.

    `state` and `active` are of the time of the answer; `suspended` and `ended` are codes of why, empty where it is not so.
    """

    grant_id: str
    issuer: str
    employee: str
    role: str
    purpose: str
    scope_objects: tuple[str, ...]
    scope_actions: tuple[str, ...]
    starts_at: int
    ends_at: int
    approved_by: tuple[str, ...]
    state: str
    active: bool
    suspended: str
    ended: str
    break_glass: bool
    access_request_id: str


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's word on one stage (from 0), at a time (UTC nanoseconds); `on_behalf_of` is the person in whose stead."""

    stage: int
    person_id: str
    issuer: str
    employee: str
    on_behalf_of: str
    approve: bool
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What was asked for, who decides, and how far it came. `digest` names this content: a decision is on what was read.

    Times are UTC nanoseconds since 1970: `starts_at` 0 is with the last approval, `ends_at` 0 is `days` after the start.
    `deciders` are who may decide the open stage.
    """

    access_request_id: str
    kind: RequestKind
    state: RequestState
    issuer: str
    employee: str
    person_id: str
    applicant: str
    role: str
    purpose: str
    case_id: str
    impact_assessment: str
    scope_objects: tuple[str, ...]
    scope_actions: tuple[str, ...]
    starts_at: int
    ends_at: int
    days: int
    reason: str
    grant_id: str
    supersedes: str
    stages: tuple[str, ...]
    stage: int
    votes: tuple[Vote, ...]
    deciders: tuple[str, ...]
    made_at: int
    lapses_at: int
    digest: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, recorded. `missing` are facts that the role requires and that are not on file: until then a grant is of no effect."""

    access_request: AccessRequest
    missing: tuple[str, ...]
    record_id: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A request after a decision or a withdrawal, and the grant that the last approval made or changed."""

    access_request: AccessRequest
    grant: Grant | None
    record_id: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A right that was taken in an emergency, and its review, which is open."""

    grant: Grant
    review: AccessRequest
    record_id: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A grant after a change. Of what takes access away, `waited` is how long it took until it was true everywhere, in seconds."""

    grant: Grant
    record_id: str
    waited: float = 0.0


def grant_from(each: grant_pb2.Grant) -> Grant:
    """Read a grant."""
    return Grant(
        each.grant_id,
        each.issuer,
        each.employee,
        each.role,
        each.purpose,
        tuple(each.scope_objects),
        tuple(each.scope_actions),
        each.starts_at,
        each.ends_at,
        tuple(each.approved_by),
        each.state,
        each.active,
        each.suspended,
        each.ended,
        each.break_glass,
        each.access_request_id,
    )


def request_from(each: pb.AccessRequest) -> AccessRequest:
    """Read a request. A kind or state of a later server is taken for a new, undecided one: its digest decides all the same."""
    votes = (
        Vote(
            vote.stage,
            vote.person_id,
            vote.issuer,
            vote.employee,
            vote.on_behalf_of,
            vote.approve,
            vote.reason,
            vote.at,
        )
        for vote in each.votes
    )
    return AccessRequest(
        each.access_request_id,
        _KIND_NAMES.get(each.kind, "new"),
        _STATE_NAMES.get(each.state, "requested"),
        each.issuer,
        each.employee,
        each.person_id,
        each.applicant,
        each.role,
        each.purpose,
        each.case_id,
        each.impact_assessment,
        tuple(each.scope_objects),
        tuple(each.scope_actions),
        each.starts_at,
        each.ends_at,
        each.days,
        each.reason,
        each.grant_id,
        each.supersedes,
        tuple(each.stages),
        each.stage,
        tuple(votes),
        tuple(each.deciders),
        each.made_at,
        each.lapses_at,
        each.digest,
    )


def asked_from(answer: pb.RequestAccessResponse) -> Asked:
    """Read the answer to RequestAccess."""
    return Asked(request_from(answer.access_request), tuple(answer.missing), answer.record_id)


def decided_from(answer: pb.DecideRequestResponse) -> Decided:
    """Read the answer to DecideRequest."""
    grant = grant_from(answer.grant) if answer.HasField("grant") else None
    return Decided(request_from(answer.access_request), grant, answer.record_id)


def withdrawn_from(answer: pb.WithdrawRequestResponse) -> Decided:
    """Read the answer to WithdrawRequest."""
    return Decided(request_from(answer.access_request), None, answer.record_id)


def taken_from(answer: pb.BreakGlassResponse) -> Taken:
    """Read the answer to BreakGlass."""
    return Taken(grant_from(answer.grant), request_from(answer.review), answer.record_id)


def changed_from(
    answer: pb.ChangeGrantResponse
    | revocation_pb2.RevokeGrantResponse
    | revocation_pb2.SuspendGrantResponse
    | revocation_pb2.ResumeGrantResponse,
) -> Changed:
    """Read the answer to a change of a grant."""
    at_once = (pb.ChangeGrantResponse, revocation_pb2.ResumeGrantResponse)
    waited = 0 if isinstance(answer, at_once) else answer.acknowledgement.waited
    return Changed(grant_from(answer.grant), answer.record_id, waited / 1e9)
