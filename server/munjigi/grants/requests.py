"""Ask, decide, withdraw: pure plans over a book, checked against roles.toml and the tables of `lifecycle.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from munjigi.grants.book import Book
from munjigi.grants.changes import Edit, GrantEdit, RequestEdit
from munjigi.grants.deciders import barred_from, complete, deciders_of, edits_policy, feasible, seats, stages_left
from munjigi.grants.eligibility import DAY, Wish, behind, check_case, check_holding, check_scope, held, named, period
from munjigi.grants.lifecycle import GRANT, request_state_of, require, require_open, state_of
from munjigi.grants.rights import revoke
from munjigi.kernel.access_request import AccessRequest, RequestKind, Vote
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from munjigi.kernel.grant import Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.types import Purpose, Role, Stage

LAPSE_DAYS: Final = 14  # a request that nobody decides for so long lapses
METHOD: Final = "request"
_REVIEW_STANDS: Final = "What was taken in an emergency is reviewed in any case; its review can't be withdrawn or replaced."


class Ask(NamedTuple):
    """What somebody asks for. `grant_id` is the grant to renew or change, `supersedes` the open request that this one replaces."""

    kind: RequestKind
    employee: EmployeeKey
    applicant: EmployeeKey
    role: str
    purpose: str
    reason: str
    case_id: str = ""
    scope: Scope | None = None
    starts_at: int = 0
    ends_at: int = 0
    days: int = 0
    grant_id: str = ""
    supersedes: str = ""


class Outcome(NamedTuple):
    """The edits of a step, the request afterwards, and the grant that it made or changed."""

    edits: tuple[Edit, ...]
    request: AccessRequest
    grant: Grant | None = None


def ask(book: Book, wanted: Ask, access_request_id: str) -> Outcome:
    """Make a request.

    Raises `InvalidArgument`, `NotFound`, `FailedPrecondition`, or `PermissionDenied` for who may not ask for another.
    """
    person = behind(book, wanted.employee)
    applicant = behind(book, wanted.applicant)
    if applicant.person_id not in (person.person_id, person.manager):
        raise PermissionDenied("NOT_YOURS_TO_ASK", "Access is asked for by whoever would hold it, or by their manager.")
    before = _subject_of(book, wanted, person)
    role, purpose = named(book, wanted.role, wanted.purpose)
    check_case(purpose, wanted.case_id, required=purpose.case_for_grant)
    check_scope(book, wanted.scope)
    begin = wanted.starts_at if before is None else max(before.starts_at, book.now)
    starts_at, ends_at = period(begin, wanted.ends_at, wanted.days, role.longest_days * DAY, book.now)
    check_holding(book, Wish(person, role, purpose, wanted.scope, starts_at, ends_at), wanted.grant_id)
    edits: list[Edit] = []
    for each in book.open_of(person):
        if request_state_of(each, book.now) != "requested":
            continue  # it has lapsed
        if each.access_request_id == wanted.supersedes:
            if each.kind == "break_glass":
                raise FailedPrecondition("REVIEW_STANDS", _REVIEW_STANDS)
            edits.append(RequestEdit("request_closed", replace(each, state="superseded")))
        elif (each.role, each.purpose, each.kind) == (role.name, purpose.name, wanted.kind):
            raise FailedPrecondition(
                "ACCESS_REQUEST_OPEN", f"{each.access_request_id} asks for this already; wait, withdraw it, or supersede it."
            )
    if wanted.supersedes and not edits:
        raise NotFound("ACCESS_REQUEST_UNKNOWN", "There is no open request of yours with the id to supersede.")
    whose = wanted if before is None else wanted._replace(employee=before.employee)
    request = drafted(book, whose, person, role, purpose, access_request_id, lapses_at=book.now + LAPSE_DAYS * DAY)
    check_deciders(book, request, role)
    return Outcome((*edits, RequestEdit("request_made", request)), request)


def drafted(
    book: Book, wanted: Ask, person: Person, role: Role, purpose: Purpose, access_request_id: str, *, lapses_at: int
) -> AccessRequest:
    """Write down what is asked for, undecided, as roles.toml and the purpose are now."""
    return AccessRequest(
        access_request_id=access_request_id,
        kind=wanted.kind,
        employee=wanted.employee,
        person_id=person.person_id,
        applicant=wanted.applicant,
        role=role.name,
        purpose=purpose.name,
        case_id=wanted.case_id,
        impact_assessment=purpose.impact_assessment,
        scope=wanted.scope,
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        days=wanted.days,
        reason=wanted.reason,
        grant_id=wanted.grant_id,
        supersedes=wanted.supersedes,
        stages=tuple(str(stage) for stage in role.stages),
        made_at=book.now,
        lapses_at=lapses_at,
    )


def granted(request: AccessRequest, starts_at: int, ends_at: int, approved_by: tuple[str, ...] = ()) -> Grant:
    """Return the new grant that a request is about, in [starts_at, ends_at) (UTC nanoseconds)."""
    return Grant(
        grant_id=grant_id_of(request.access_request_id),
        employee=request.employee,
        role=request.role,
        purpose=request.purpose,
        starts_at=starts_at,
        ends_at=ends_at,
        approved_by=approved_by,
        scope=request.scope,
        access_request_id=request.access_request_id,
        break_glass=request.kind == "break_glass",
    )


def grant_id_of(access_request_id: str) -> str:
    """Return the id of the grant that a request makes."""
    return f"g-{access_request_id.partition('-')[2]}"


def check_deciders(book: Book, request: AccessRequest, role: Role) -> None:
    """Refuse a request that could never be decided. Raises `FailedPrecondition`."""
    stages = [(seats(book, request, stage), stage.everyone) for stage in role.stages]
    for stage, (filled_by, _) in zip(role.stages, stages, strict=True):
        if not filled_by:
            raise FailedPrecondition(
                "NOBODY_DECIDES",
                f"Nobody is there who may decide stage `{stage.name}` of role `{role.name}` for you; tell the security team, who name owners.",
            )
    if not feasible(stages, frozenset()):
        raise FailedPrecondition(
            "NOBODY_DECIDES",
            f"The stages of role `{role.name}` need different people, and there are too few; tell the security team.",
        )


def decide(book: Book, access_request_id: str, by: EmployeeKey, digest: str, *, approve: bool, reason: str) -> Outcome:
    """Vote on the stage that is to be decided; the last vote gives, renews or changes the grant.

    `digest` is that of the content that was read. Raises `NotFound`, `FailedPrecondition`, `InvalidArgument`, and
    `PermissionDenied` for who may not decide it.
    """
    request = _request(book, access_request_id)
    require_open(request, "approve" if approve else "deny", book.now)
    if digest != request.digest:
        raise FailedPrecondition(
            "ACCESS_REQUEST_CHANGED", "What you read is not what is asked for; look at it again and decide then."
        )
    person = behind(book, by)
    stages = stages_left(book, request)
    if not stages:
        raise FailedPrecondition("STAGES_CHANGED", "How this role is approved has changed since; it has to be asked for anew.")
    stage, *later = stages
    filled_by = seats(book, request, stage)
    people = deciders_of(filled_by)
    _check_decider(book, request, stage, person, people)
    vote = Vote(request.stage, person.person_id, *by, people[person.person_id], approve, reason, book.now)
    votes = (*request.votes, vote)
    if not approve:
        denied = replace(request, votes=votes, state="denied")
        return Outcome((*_revoked(book, request), RequestEdit("request_closed", denied)), denied)
    voted = frozenset(each.person_id for each in votes)
    waits = stage.everyone and not complete(filled_by, voted)
    rest = [(seats(book, request, each), each.everyone) for each in (stages if waits else later)]
    if not feasible(rest, voted):
        if feasible(rest, voted - {person.person_id}):
            raise FailedPrecondition(
                "VOTE_NEEDED_LATER", "You are the only one who may decide a later stage; let somebody else decide this one."
            )
        raise FailedPrecondition(
            "NOBODY_DECIDES", "Nobody is left who may decide what follows; tell the security team, who name owners."
        )
    if waits:
        waiting = replace(request, votes=votes)
        return Outcome((RequestEdit("request_voted", waiting),), waiting)
    if later:
        onward = replace(request, votes=votes, stage=request.stage + 1)
        return Outcome((RequestEdit("request_voted", onward),), onward)
    return _approved(book, replace(request, votes=votes, state="approved"))


def _check_decider(book: Book, request: AccessRequest, stage: Stage, person: Person, people: dict[str, str]) -> None:
    if person.person_id in barred_from(book, request):
        raise PermissionDenied("SELF_APPROVAL", "Nobody decides on what they asked for or would hold, with whatever account.")
    if any(vote.person_id == person.person_id for vote in request.votes):
        raise PermissionDenied("ALREADY_VOTED", "You have decided on this request; another stage takes another person.")
    if person.person_id in people:
        return
    if edits_policy(book, person):
        raise PermissionDenied("POLICY_EDITOR", "Who edits policy does not decide who gets access by it.")
    raise PermissionDenied("NOT_A_DECIDER", f"Stage `{stage.name}` of this request is for others to decide.")


def _approved(book: Book, request: AccessRequest) -> Outcome:
    """Give what was approved. What was true when it was asked is looked at again."""
    if request.kind == "break_glass":
        return Outcome((RequestEdit("request_closed", request),), request, book.holdings.grant(request.grant_id))
    role, purpose = named(book, request.role, request.purpose)
    person = book.holdings.person_of(request.person_id)
    if person is None:
        raise NotFound("ACCOUNT_UNKNOWN", "Whoever would hold it is not known any more.")
    before = held(book, request.grant_id) if request.kind != "new" else None
    if before is not None:
        require(before, "change", book.now)
    begin = request.starts_at if before is None else before.starts_at
    starts_at, ends_at = period(max(begin, book.now), request.ends_at, request.days, role.longest_days * DAY, book.now)
    check_holding(book, Wish(person, role, purpose, request.scope, starts_at, ends_at), request.grant_id)
    approvers = tuple(vote.subject for vote in request.votes)
    if before is None:
        grant = granted(request, starts_at, ends_at, approvers)
        edit = GrantEdit("grant_added", grant, request.reason, METHOD)
        request = replace(request, grant_id=grant.grant_id)
    else:
        grant = replace(before, ends_at=ends_at, approved_by=approvers, access_request_id=request.access_request_id)
        grant = replace(grant, scope=request.scope) if request.kind == "change" else grant
        edit = GrantEdit("grant_changed", grant, request.reason, METHOD)
    return Outcome((RequestEdit("request_closed", request), edit), request, grant)


def withdraw(book: Book, access_request_id: str, by: EmployeeKey) -> Outcome:
    """Withdraw an open request, by whoever asked or would hold the grant.

    Raises `NotFound`, `FailedPrecondition`, or `PermissionDenied`.
    """
    request = _request(book, access_request_id)
    if behind(book, by).person_id not in barred_from(book, request):
        raise PermissionDenied("NOT_YOURS_TO_WITHDRAW", "A request is withdrawn by whoever asked, or would hold the grant.")
    require_open(request, "withdraw", book.now)
    if request.kind == "break_glass":
        raise FailedPrecondition("REVIEW_STANDS", _REVIEW_STANDS)
    closed = replace(request, state="withdrawn")
    return Outcome((RequestEdit("request_closed", closed),), closed)


def _revoked(book: Book, request: AccessRequest) -> tuple[Edit, ...]:
    """End what was taken in an emergency without need."""
    grant = book.holdings.grant(request.grant_id) if request.kind == "break_glass" else None
    if grant is None or (state_of(grant, book.now), "revoke") not in GRANT:
        return ()
    why = "the review did not find it justified"
    return (revoke(book, grant.grant_id, why, ended="not_justified", method="break_glass"),)


def _subject_of(book: Book, wanted: Ask, person: Person) -> Grant | None:
    """Return the grant that is to be renewed or changed."""
    if wanted.kind == "new":
        return None
    grant = held(book, wanted.grant_id)
    if grant.employee not in person.accounts:
        raise PermissionDenied("NOT_YOURS_TO_ASK", "This grant is somebody else's; its holder, or their manager, asks for it.")
    if (grant.role, grant.purpose) != (wanted.role, wanted.purpose):
        raise InvalidArgument("GRANT_FIXED", "A grant keeps its role and purpose; ask for another one.")
    if grant.break_glass:
        raise InvalidArgument(
            "GRANT_FIXED", "What was taken in an emergency is neither renewed nor widened; ask for access by itself."
        )
    if wanted.starts_at:
        raise InvalidArgument("PERIOD_INVALID", "What is renewed or changed has begun; leave the start out.")
    require(grant, "change", book.now)
    return grant


def _request(book: Book, access_request_id: str) -> AccessRequest:
    request = book.request(access_request_id)
    if request is None:
        raise NotFound("ACCESS_REQUEST_UNKNOWN", "There is no request with this id; `munjigi requests` lists them.")
    return request
