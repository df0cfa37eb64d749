"""What becomes of a right that is held: narrowed, suspended, resumed, revoked. Pure plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from munjigi.grants.book import Book
from munjigi.grants.changes import GrantEdit
from munjigi.grants.deciders import barred_from, edits_policy
from munjigi.grants.eligibility import behind, check_department, check_person, check_scope, held
from munjigi.grants.lifecycle import over, require
from munjigi.kernel.errors import InvalidArgument, PermissionDenied
from munjigi.kernel.grant import Scope
from munjigi.kernel.identity import EmployeeKey

REVOKED: Final = "revoked"
Concern = Literal["holder", "owner", "operator"]  # as whom somebody takes of a grant
OPERATOR: Final = "operator"


def revoke(book: Book, grant_id: str, reason: str, *, ended: str = REVOKED, method: str = OPERATOR) -> GrantEdit:
    """End a grant now. `ended` is the code of why, `reason` somebody's words. Raises `NotFound` or `FailedPrecondition`."""
    grant = held(book, grant_id)
    require(grant, "revoke", book.now)
    return GrantEdit("grant_ended", over(grant, book.now, ended), reason, method)


def suspend(book: Book, grant_id: str, reason: str, *, why: str, method: str = OPERATOR) -> GrantEdit:
    """Let a grant not count for now. `why` is a code, or who does it. Raises `NotFound` or `FailedPrecondition`."""
    grant = held(book, grant_id)
    require(grant, "suspend", book.now)
    return GrantEdit("grant_suspended", replace(grant, suspended=why), reason, method)


def resume(book: Book, grant_id: str, by: EmployeeKey, reason: str, *, concern: Concern = OPERATOR) -> GrantEdit:
    """Let a suspended grant count again, as far as its period goes, by the word of `by`.

    It gives a right, so nobody does it for themselves, and whoever holds it must be able to hold it (promise P9). What was suspended
    with the right to operate takes that right. Raises `NotFound`, `FailedPrecondition`, or `PermissionDenied`.
    """
    grant = held(book, grant_id)
    require(grant, "resume", book.now)
    if grant.suspended == OPERATOR != concern:
        raise PermissionDenied(
            "SUSPENDED_BY_OPERATOR", "This takes the right to operate on `munjigi.grant`, as its suspension did."
        )
    holder, person = behind(book, grant.employee), behind(book, by)
    asked = book.request(grant.access_request_id) if grant.access_request_id else None
    if person.person_id in ((holder.person_id,) if asked is None else barred_from(book, asked)):
        raise PermissionDenied("SELF_APPROVAL", "Nobody resumes what they asked for or hold, with whatever account.")
    if edits_policy(book, person):
        raise PermissionDenied("POLICY_EDITOR", "Who edits policy does not decide who gets access by it.")
    check_person(book, holder)
    role = book.bundle.roles.get(grant.role)
    if role is not None:
        check_department(role, holder)
    return GrantEdit("grant_resumed", replace(grant, suspended=""), reason, concern)


def narrow(
    book: Book, grant_id: str, reason: str, *, ends_at: int = 0, scope: Scope | None = None, method: str = OPERATOR
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
