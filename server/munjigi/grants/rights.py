"""What becomes of a right that is held: narrowed, suspended, resumed, revoked; and one that is taken in an emergency. Pure plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from munjigi.grants.book import Book
from munjigi.grants.changes import GrantEdit, RequestEdit
from munjigi.grants.eligibility import DAY, Wish, check_case, check_holding, check_scope, held, named, period
from munjigi.grants.lifecycle import require
from munjigi.grants.requests import Ask, Outcome
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument
from munjigi.kernel.grant import Grant, Scope

HOUR: Final = 3600 * SECOND
REVIEW_DAYS: Final = 3  # after its end, the review of what was taken in an emergency is overdue
SHORTEST_REASON: Final = 20  # characters
REVOKED: Final = "revoked"
BREAK_GLASS: Final = "break_glass"


def revoke(book: Book, grant_id: str, reason: str, *, ended: str = REVOKED, method: str = "operator") -> GrantEdit:
    """End a grant now. `ended` is the code of why, `reason` somebody's words. Raises `NotFound` or `FailedPrecondition`."""
    grant = held(book, grant_id)
    require(grant, "revoke", book.now)
    over = replace(grant, starts_at=min(grant.starts_at, book.now), ends_at=book.now, suspended="", ended=ended)
    return GrantEdit("grant_ended", over, reason, method)


def suspend(book: Book, grant_id: str, reason: str, *, why: str, method: str = "operator") -> GrantEdit:
    """Let a grant not count for now. `why` is a code. Raises `NotFound` or `FailedPrecondition`."""
    grant = held(book, grant_id)
    require(grant, "suspend", book.now)
    return GrantEdit("grant_suspended", replace(grant, suspended=why), reason, method)


def resume(book: Book, grant_id: str, reason: str, *, method: str = "operator") -> GrantEdit:
    """Let a suspended grant count again, as far as its period goes. Raises `NotFound` or `FailedPrecondition`."""
    grant = held(book, grant_id)
    require(grant, "resume", book.now)
    return GrantEdit("grant_resumed", replace(grant, suspended=""), reason, method)


def narrow(
    book: Book, grant_id: str, reason: str, *, ends_at: int = 0, scope: Scope | None = None, method: str = "operator"
) -> GrantEdit:
    """Make a grant end earlier (`ends_at`, UTC nanoseconds) or cover less, or both. More is asked for by a request.

    Raises `NotFound`, `FailedPrecondition`, or `InvalidArgument` when it would not be less.
    """
    grant = held(book, grant_id)
    require(grant, "change", book.now)
    check_scope(book, scope)
    if not ends_at and scope is None:
        raise InvalidArgument("CHANGE_EMPTY", "Say what to narrow: an earlier end, a scope, or both.")
    if ends_at and not max(book.now, grant.starts_at) < ends_at <= grant.ends_at:
        raise InvalidArgument(
            "CHANGE_WIDENS", "The new end lies after now and not after the present one; to renew it, ask for it."
        )
    if scope is not None and not _within(scope, grant.scope):
        raise InvalidArgument("CHANGE_WIDENS", "The new scope is not part of the present one; to widen it, ask for it.")
    changed = replace(grant, ends_at=ends_at or grant.ends_at, scope=grant.scope if scope is None else scope)
    return GrantEdit("grant_changed", changed, reason, method)


def _within(scope: Scope, whole: Scope | None) -> bool:
    if whole is None:
        return True
    objects = not whole.objects or (
        bool(scope.objects)
        and all(each in whole.objects or f"{each.rpartition('.')[0]}.*" in whole.objects for each in scope.objects)
    )
    return objects and (not whole.actions or (bool(scope.actions) and set(scope.actions) <= set(whole.actions)))


def break_glass(book: Book, wanted: Ask, hours: int, access_request_id: str) -> Outcome:
    """Take a right at once for some hours, and open the review of it.

    Raises `InvalidArgument`, `NotFound`, and `FailedPrecondition`: where the role is not for emergencies, and for who has a review
    that is overdue.
    """
    person = book.holdings.person(wanted.employee)
    if person is None:
        raise FailedPrecondition("ACCOUNT_UNKNOWN", "This account belongs to no person; the personnel office registers people.")
    role, purpose = named(book, wanted.role, wanted.purpose)
    if not role.break_glass_hours:
        raise FailedPrecondition("NOT_FOR_EMERGENCIES", f"Role `{role.name}` can't be taken in an emergency; ask for it.")
    if len(wanted.reason) < SHORTEST_REASON:
        raise InvalidArgument(
            "REASON_TOO_SHORT", f"Say in at least {SHORTEST_REASON} characters what has happened; it is reviewed."
        )
    overdue = [each for each in book.open_of(person) if each.kind == BREAK_GLASS and book.now >= each.lapses_at]
    if overdue:
        raise FailedPrecondition(
            "BREAK_GLASS_SUSPENDED",
            f"The review of {overdue[0].access_request_id} is overdue; until it is decided, you can't take access in an emergency.",
        )
    check_case(purpose, wanted.case_id, required=purpose.case_for_grant)
    check_scope(book, wanted.scope)
    starts_at, ends_at = period(0, book.now + hours * HOUR, 0, role.break_glass_hours * HOUR, book.now)
    check_holding(book, Wish(person, role, purpose, wanted.scope, starts_at, ends_at), heads=False)
    request = AccessRequest(
        access_request_id=access_request_id,
        kind=BREAK_GLASS,
        employee=wanted.employee,
        person_id=person.person_id,
        applicant=wanted.applicant,
        role=role.name,
        purpose=purpose.name,
        case_id=wanted.case_id,
        impact_assessment=purpose.impact_assessment,
        scope=wanted.scope,
        starts_at=starts_at,
        ends_at=ends_at,
        days=0,
        reason=wanted.reason,
        grant_id=f"g-{access_request_id.partition('-')[2]}",
        supersedes="",
        stages=tuple(str(stage) for stage in role.stages),
        made_at=book.now,
        lapses_at=ends_at + REVIEW_DAYS * DAY,
    )
    grant = Grant(
        grant_id=request.grant_id,
        employee=wanted.employee,
        role=role.name,
        purpose=purpose.name,
        starts_at=starts_at,
        ends_at=ends_at,
        approved_by=(),
        scope=wanted.scope,
        access_request_id=access_request_id,
        break_glass=True,
    )
    return Outcome(
        (RequestEdit("request_made", request), GrantEdit("grant_added", grant, wanted.reason, BREAK_GLASS)), request, grant
    )
