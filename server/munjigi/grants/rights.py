"""What becomes of a right that is held: narrowed, suspended, resumed, revoked. Pure plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from munjigi.grants.book import Book
from munjigi.grants.changes import GrantEdit
from munjigi.grants.eligibility import check_scope, held
from munjigi.grants.lifecycle import over, require
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.grant import Scope

REVOKED: Final = "revoked"


def revoke(book: Book, grant_id: str, reason: str, *, ended: str = REVOKED, method: str = "operator") -> GrantEdit:
    """End a grant now. `ended` is the code of why, `reason` somebody's words. Raises `NotFound` or `FailedPrecondition`."""
    grant = held(book, grant_id)
    require(grant, "revoke", book.now)
    return GrantEdit("grant_ended", over(grant, book.now, ended), reason, method)


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
