"""A change of the grant table is valid before any store writes it: one set of rules for every store.

Stores look up what a rule needs (the grant as it is, the owners of accounts) and ask here. Revisions are
dense: each change has its own `grant_revision`, so the table at any past revision can be rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from munjigi.grants.lifecycle import GRANT, REQUEST, GrantEvent
from munjigi.grants.log_edits import LogEdit
from munjigi.grants.review_edits import NO_REVIEWS, ExceptionEdit, ItemsEdit, ReviewEdit, ReviewsState
from munjigi.grants.storable import check_storable
from munjigi.kernel.access_request import AccessRequest, RequestState
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from munjigi.kernel.grant import Block, Grant, Person, Status
from munjigi.kernel.identity import EmployeeKey, SessionEnd
from munjigi.kernel.ids import ID

GrantKind = Literal["grant_added", "grant_changed", "grant_suspended", "grant_resumed", "grant_ended", "grant_restored"]
RequestChange = Literal["request_made", "request_voted", "request_closed"]
PersonEvent = Literal["", "joiner", "mover", "leaver", "leave", "return", "facts", "account", "delegation"]


class GrantEdit(NamedTuple):
    """Add a grant, change its period, scope or approvers, suspend or resume it, or end it. `grant` is the whole grant afterwards.

    Only the undoing of a review restores one: exactly as it was before that review took of it.

    `method` is how it came about: a request, break-glass, personnel, review, block, sample, or as whom somebody
    changed it: holder, owner, operator.
    """

    kind: GrantKind
    grant: Grant
    reason: str = ""
    method: str = ""


class PersonEdit(NamedTuple):
    """Add a person or replace all that is known about one."""

    kind: Literal["person_changed"]
    person: Person
    event: PersonEvent = ""
    source: str = ""


class RequestEdit(NamedTuple):
    """A request was made, voted on or closed. `request` is the whole request afterwards."""

    kind: RequestChange
    request: AccessRequest


class BlockEdit(NamedTuple):
    """A principal was blocked, or is not any more."""

    kind: Literal["principal_blocked", "principal_unblocked"]
    block: Block
    reason: str


class SessionEdit(NamedTuple):
    """Sessions were ended. Ends of before that have run out by then (`until`) are forgotten with it."""

    kind: Literal["session_ended"]
    end: SessionEnd
    reason: str


Edit = GrantEdit | PersonEdit | RequestEdit | BlockEdit | SessionEdit | ReviewEdit | ItemsEdit | ExceptionEdit | LogEdit
_LONGEST_NAME: Final = 128
_EVENTS: Final[dict[GrantKind, GrantEvent]] = {
    "grant_changed": "change",
    "grant_suspended": "suspend",
    "grant_resumed": "resume",
    "grant_ended": "revoke",
    "grant_restored": "restore",
}


class Change(NamedTuple):
    """An edit as it was committed. `at` is UTC nanoseconds and never decreases along the revisions.

    `clock_stepped` marks an `at` that was clamped because the machine's clock had gone back.
    """

    grant_revision: int
    at: int
    clock_stepped: bool
    actor: str
    request_id: str
    edit: Edit
    issuer: str = ""


class State(NamedTuple):
    """The grant table at one revision; grants, people and requests by id, blocks by kind and principal, ends of sessions, reviews."""

    grants: list[Grant]
    people: list[Person]
    grant_revision: int
    blocks: list[Block] = []  # noqa: RUF012 - never changed
    requests: list[AccessRequest] = []  # noqa: RUF012 - never changed
    session_ends: list[SessionEnd] = []  # noqa: RUF012 - never changed
    reviews: ReviewsState = NO_REVIEWS


class Once(NamedTuple):
    """What a mutation leaves behind, so that the same call gets the same answer: digest of its body, and the answer's bytes."""

    digest: str
    answer: bytes


def grant_added(grant: Grant) -> GrantEdit:
    """Add a grant with a new id."""
    return GrantEdit("grant_added", grant)


def grant_changed(grant: Grant) -> GrantEdit:
    """Replace period, scope or approvers of a grant."""
    return GrantEdit("grant_changed", grant)


def grant_ended(grant: Grant, reason: str = "", method: str = "") -> GrantEdit:
    """End a grant: `grant.ends_at` is not after the end that it had."""
    return GrantEdit("grant_ended", grant, reason, method)


def person_changed(person: Person) -> PersonEdit:
    """Add or replace a person."""
    return PersonEdit("person_changed", person)


def check_grant_edit(edit: GrantEdit, before: Grant | None, holder: Status | None, taken: Sequence[Grant] = ()) -> None:
    """Refuse an edit that the table can't take.

    `before` is the grant of that id as it is now, `holder` the status of the person whose account it is for; None: nobody's. `taken`
    is the grant as it was before each review that took of it, and was not undone. Raises `InvalidArgument`, `NotFound` or
    `FailedPrecondition`.
    """
    grant = edit.grant
    scope = (*grant.scope.objects, *grant.scope.actions) if grant.scope else ()
    texts = (*grant.employee, grant.role, grant.purpose, *grant.approved_by, *scope, grant.suspended, grant.ended, edit.reason)
    check_storable(texts, (grant.starts_at, grant.ends_at))
    if ID.match(grant.grant_id) is None:
        raise InvalidArgument("GRANT_ID_INVALID", "A grant id is 1 to 64 of A-Z a-z 0-9 . _ -")
    if edit.kind == "grant_added":
        if before is not None:
            raise FailedPrecondition("GRANT_EXISTS", "A grant with this id exists; choose a new id, or change the grant.")
        if not grant.starts_at < grant.ends_at:
            raise InvalidArgument(
                "GRANT_PERIOD_INVALID", "A grant ends after it starts; give an end that is later than the start."
            )
        if holder is None:
            raise FailedPrecondition("ACCOUNT_UNKNOWN", "The employee's account belongs to no person; register the person first.")
        _refuse_away(edit, holder)
        return
    if before is None:
        raise NotFound("GRANT_UNKNOWN", "There is no grant with this id; list the grants to find it.")
    if (grant.employee, grant.role, grant.purpose) != (before.employee, before.role, before.purpose):
        raise FailedPrecondition("GRANT_FIXED", "Employee, role and purpose of a grant never change; end it and add another.")
    state = "revoked" if before.ended else "suspended" if before.suspended else "active"
    if (state, _EVENTS[edit.kind]) not in GRANT:
        raise FailedPrecondition(
            "GRANT_STATE", f"The grant is {state}, so this can't be done to it; `munjigi grant list --include-inactive` shows it."
        )
    if edit.kind == "grant_restored" and grant not in taken:
        raise FailedPrecondition("NOTHING_TO_RESTORE", "A grant is restored only as it was before a review took of it.")
    _refuse_away(edit, holder)
    if grant.starts_at > grant.ends_at:
        raise InvalidArgument("GRANT_PERIOD_INVALID", "A grant can't end before it starts.")
    if edit.kind == "grant_ended" and grant.ends_at > before.ends_at:
        raise InvalidArgument("GRANT_PERIOD_INVALID", "Ending a grant can't make it longer; change it instead.")


def _refuse_away(edit: GrantEdit, holder: Status | None) -> None:
    """Who has left gets nothing, and nothing of theirs counts again; of who is on leave nothing counts for now."""
    if edit.kind in ("grant_ended", "grant_suspended"):
        return
    if holder == "left":
        raise FailedPrecondition("PERSON_LEFT", "This person has left, and holds nothing until a joiner event; grant it then.")
    if holder == "leave" and not edit.grant.suspended:
        raise FailedPrecondition("PERSON_ON_LEAVE", "This person is on leave; grant it after the return event.")


def check_person_edit(edit: PersonEdit, owners: Mapping[EmployeeKey, str], granted: Iterable[EmployeeKey]) -> None:
    """Refuse a person that would share an account with another, or lose one that holds or held a grant.

    `owners` maps those of the person's new accounts that exist to their person's id; `granted` are the accounts of
    the person, as it is now, that grants name. Raises `InvalidArgument` or `FailedPrecondition`.
    """
    person = edit.person
    names = (text for account in person.accounts for text in account)
    facts = (text for fact in person.facts for text in (fact.kind, fact.source))
    deputies = (deputy.person_id for deputy in person.delegations)
    periods = [(each.starts_at, each.ends_at) for each in person.facts]
    periods += [(each.starts_at, each.ends_at) for each in person.delegations]
    check_storable(
        (person.department, person.manager, edit.source, *names, *facts, *deputies),
        (
            person.sessions_from,
            person.effective_at,
            *(fact.stated_at for fact in person.facts),
            *(time for period in periods for time in period),
        ),
    )
    if ID.match(person.person_id) is None:
        raise InvalidArgument("PERSON_ID_INVALID", "A person id is 1 to 64 of A-Z a-z 0-9 . _ -")
    if len(set(person.accounts)) != len(person.accounts):
        raise InvalidArgument("ACCOUNT_REPEATED", "An account stands twice in the person's list; leave one.")
    if any(owners.get(account, person.person_id) != person.person_id for account in person.accounts):
        raise FailedPrecondition(
            "ACCOUNT_TAKEN", "An account belongs to another person; one account is one person's (promise P9)."
        )
    if any(account not in person.accounts for account in granted):
        raise FailedPrecondition(
            "ACCOUNT_GRANTED", "An account that a grant names can't be taken away; end the grant and keep the account."
        )
    if any(starts_at > ends_at for starts_at, ends_at in periods):
        raise InvalidArgument("FACT_PERIOD_INVALID", "A fact or delegation can't end before it starts.")


def check_request_edit(edit: RequestEdit, before: AccessRequest | None) -> None:
    """Refuse a step of a request that its life does not have, or one that touches what was asked for.

    Raises `InvalidArgument`, `NotFound` or `FailedPrecondition`.
    """
    request = edit.request
    scope = (*request.scope.objects, *request.scope.actions) if request.scope else ()
    votes = (
        text for vote in request.votes for text in (vote.issuer, vote.subject, vote.person_id, vote.on_behalf_of, vote.reason)
    )
    texts = (*request.employee, *request.applicant, request.role, request.purpose, request.reason, *scope, *votes)
    check_storable(texts, (request.starts_at, request.ends_at, request.made_at, request.lapses_at))
    if any(ID.match(each) is None for each in (request.access_request_id, request.person_id)):
        raise InvalidArgument("ACCESS_REQUEST_ID_INVALID", "An id of a request or person is 1 to 64 of A-Z a-z 0-9 . _ -")
    if edit.kind == "request_made":
        if before is not None:
            raise FailedPrecondition("ACCESS_REQUEST_EXISTS", "A request with this id exists; choose a new id.")
        if (request.state, request.stage, request.votes) != ("requested", 0, ()):
            raise InvalidArgument("ACCESS_REQUEST_STATE", "A request begins undecided.")
        return
    if before is None:
        raise NotFound("ACCESS_REQUEST_UNKNOWN", "There is no request with this id; `munjigi requests` lists them.")
    if request.digest != before.digest or request.votes[: len(before.votes)] != before.votes:
        raise FailedPrecondition("ACCESS_REQUEST_FIXED", "What was asked for, and who decided, never changes; ask anew.")
    if request.state not in next_states(before.state):
        raise FailedPrecondition("ACCESS_REQUEST_CLOSED", f"The request is {before.state}; ask anew.")


def next_states(state: RequestState) -> frozenset[RequestState]:
    """Return the states that may follow a request's."""
    return frozenset(after for (before, _), states in REQUEST.items() if before == state for after in states)


def check_block_edit(edit: BlockEdit, *, blocked: bool) -> None:
    """Refuse to block who is blocked, or to unblock who is not. Raises `InvalidArgument` or `FailedPrecondition`."""
    check_storable((edit.block.principal, edit.reason), ())
    if not 0 < len(edit.block.principal) <= _LONGEST_NAME:
        raise InvalidArgument("PRINCIPAL_INVALID", "Name the employee or the tool.")
    if blocked == (edit.kind == "principal_blocked"):
        raise FailedPrecondition("BLOCK_STATE", f"This principal is {'already' if blocked else 'not'} blocked.")


def check_session_edit(edit: SessionEdit) -> None:
    """Refuse an end of nothing, or one that ends before it begins. Raises `InvalidArgument`."""
    end = edit.end
    check_storable((end.issuer, end.subject, end.session, edit.reason), (end.ended_at, end.until))
    if not end.issuer or not (end.subject or end.session) or end.until < end.ended_at:
        raise InvalidArgument("SESSION_END_INVALID", "Name the session, or the subject, of an issuer, and a time after its end.")


def check_origin(at: int, actor: str, request_id: str) -> None:
    """Refuse a time or a name that no store can keep beside a change.

    Raises `InvalidArgument`.
    """
    check_storable((actor, request_id), (at,))
