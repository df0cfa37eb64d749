"""Grants and requests as messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from munjigi.grants.book import Book
from munjigi.grants.deciders import deciders, stages_left
from munjigi.grants.lifecycle import request_state_of, state_of
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.grant import Grant, Scope
from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb
from munjigi_client._proto.munjigi.v1 import grant_pb2

_KINDS: Final = {
    "new": pb.REQUEST_KIND_NEW,
    "renew": pb.REQUEST_KIND_RENEW,
    "change": pb.REQUEST_KIND_CHANGE,
    "break_glass": pb.REQUEST_KIND_BREAK_GLASS,
}
_STATES: Final = {
    "requested": pb.REQUEST_STATE_REQUESTED,
    "approved": pb.REQUEST_STATE_APPROVED,
    "denied": pb.REQUEST_STATE_DENIED,
    "withdrawn": pb.REQUEST_STATE_WITHDRAWN,
    "superseded": pb.REQUEST_STATE_SUPERSEDED,
    "lapsed": pb.REQUEST_STATE_LAPSED,
}
STATES: Final[dict[int, Any]] = {number: name for name, number in _STATES.items()}


def scope_of(objects: Sequence[str], actions: Sequence[str]) -> Scope | None:
    """Return the scope that a message names; None when it names none."""
    return Scope(tuple(objects), tuple(actions)) if objects or actions else None


def grant_message(grant: Grant, now: int) -> grant_pb2.Grant:
    """Return a grant, as it is at `now` (UTC nanoseconds)."""
    return grant_pb2.Grant(
        grant_id=grant.grant_id,
        issuer=grant.employee.issuer,
        employee=grant.employee.subject,
        role=grant.role,
        purpose=grant.purpose,
        scope_objects=grant.scope.objects if grant.scope is not None else (),
        scope_actions=grant.scope.actions if grant.scope is not None else (),
        starts_at=grant.starts_at,
        ends_at=grant.ends_at,
        approved_by=grant.approved_by,
        active=grant.active(now),
        state=state_of(grant, now),
        suspended=grant.suspended,
        ended=grant.ended,
        break_glass=grant.break_glass,
        access_request_id=grant.access_request_id,
    )


def request_message(book: Book, request: AccessRequest) -> pb.AccessRequest:
    """Return a request, as it is at the book's time, with those who may decide it now."""
    state = request_state_of(request, book.now)
    return pb.AccessRequest(
        access_request_id=request.access_request_id,
        kind=_KINDS[request.kind],
        state=_STATES[state],
        issuer=request.employee.issuer,
        employee=request.employee.subject,
        person_id=request.person_id,
        applicant_issuer=request.applicant.issuer,
        applicant=request.applicant.subject,
        role=request.role,
        purpose=request.purpose,
        case_id=request.case_id,
        impact_assessment=request.impact_assessment,
        scope_objects=request.scope.objects if request.scope is not None else (),
        scope_actions=request.scope.actions if request.scope is not None else (),
        starts_at=request.starts_at,
        ends_at=request.ends_at,
        days=request.days,
        reason=request.reason,
        grant_id=request.grant_id,
        supersedes=request.supersedes,
        stages=request.stages,
        stage=request.stage,
        votes=[
            pb.Vote(
                stage=vote.stage,
                person_id=vote.person_id,
                issuer=vote.issuer,
                employee=vote.subject,
                on_behalf_of=vote.on_behalf_of,
                approve=vote.approve,
                reason=vote.reason,
                at=vote.at,
            )
            for vote in request.votes
        ],
        deciders=_subjects(book, who_decides(book, request)) if state == "requested" else (),
        made_at=request.made_at,
        lapses_at=request.lapses_at,
        digest=request.digest,
    )


def who_decides(book: Book, request: AccessRequest) -> list[str]:
    """Return the people who may decide the stage that is open, and have not voted yet; none where policy has changed since."""
    stages = stages_left(book, request)
    voted = {vote.person_id for vote in request.votes}
    return [person for person in deciders(book, request, stages[0]) if person not in voted] if stages else []


def waits_for(book: Book, request: AccessRequest, person_id: str) -> bool:
    """Tell whether a request waits for this person's decision. One that has lapsed waits for nobody."""
    return request_state_of(request, book.now) == "requested" and person_id in who_decides(book, request)


def _subjects(book: Book, people: Sequence[str]) -> list[str]:
    persons = (book.holdings.person_of(each) for each in people)
    return [person.accounts[0].subject for person in persons if person is not None and person.accounts]
